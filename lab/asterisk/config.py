"""Asterisk's configuration files for the sample platform (pure: settings in, texts out)."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from lab.base import Sample, SampleTenant
from lab.ports import LOOPBACK

COLLECTOR: Final = "dialtone"
LAB_USER: Final = "lab"
"""The users of the manager interface."""

# fmt: off
MODULES: Final = (
    "app_confbridge", "app_dial", "app_echo", "app_queue", "app_stack", "bridge_builtin_features",
    "bridge_simple", "bridge_softmix", "chan_pjsip", "codec_alaw", "codec_ulaw", "func_channel",
    "func_strings", "pbx_config", "res_pjproject", "res_pjsip", "res_pjsip_acl",
    "res_pjsip_authenticator_digest", "res_pjsip_caller_id", "res_pjsip_dtmf_info",
    "res_pjsip_endpoint_identifier_ip",
    "res_pjsip_header_funcs", "res_pjsip_nat", "res_pjsip_pubsub", "res_pjsip_refer",
    "res_pjsip_rfc3326", "res_pjsip_sdp_rtp", "res_pjsip_session", "res_rtp_asterisk",
    "res_sorcery_config", "res_sorcery_memory", "res_sorcery_astdb", "res_timing_timerfd",
)
# fmt: on
"""What the sample platform needs and no more, so that it boots at once and opens no further port."""

_EMPTY: Final = ("ccss.conf", "features.conf", "pjproject.conf", "udptl.conf")
"""Files that Asterisk complains about when they are not there."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What differs from lab to lab. `program` is the unpacked root, `home` the folder to write to."""

    program: Path
    home: Path
    sip: int
    front: int
    ami: int
    rtp: range
    files: int
    collector_secret: str
    lab_secret: str


def render(settings: Settings, sample: Sample) -> Mapping[str, str]:
    """Return the files by name, for Asterisk's configuration folder."""
    return {
        "asterisk.conf": _asterisk(settings),
        "modules.conf": "[modules]\nautoload = no\n" + "".join(f"load = {name}.so\n" for name in MODULES),
        "logger.conf": "[general]\ndateformat = %F %T.%3q\nqueue_log = no\n"
        "[logfiles]\nmessages.log => warning,error\n",
        "rtp.conf": f"[general]\nrtpstart = {settings.rtp.start}\nrtpend = {settings.rtp.stop - 1}\n"
        "icesupport = no\n",
        "cdr.conf": "[general]\nenable = no\n",
        "cel.conf": "[general]\nenable = no\n",
        "indications.conf": "[general]\ncountry = us\n[us]\ndescription = United States\n"
        "ringcadence = 2000,4000\nring = 440+480/2000,0/4000\nbusy = 480+620/500,0/500\n",
        "acl.conf": "",
        **dict.fromkeys(_EMPTY, "[general]\n"),
        "manager.conf": _manager(settings),
        "pjsip.conf": _pjsip(settings, sample),
        "extensions.conf": _extensions(settings, sample),
        "queues.conf": _queues(sample),
        "confbridge.conf": "[general]\n[default_user]\ntype = user\nquiet = yes\n"
        "[default_bridge]\ntype = bridge\n",
    }


def _asterisk(settings: Settings) -> str:
    home, program = settings.home, settings.program
    libraries = next(iter(sorted(program.glob("usr/lib/*/asterisk/modules"))), program)
    return f"""\
[directories]
astetcdir => {home}/etc
astmoddir => {libraries}
astvarlibdir => {home}/var
astdbdir => {home}/var
astkeydir => {home}/var
astdatadir => {program}/usr/share/asterisk
astagidir => {program}/usr/share/asterisk/agi-bin
astspooldir => {home}/spool
astrundir => {home}/run
astlogdir => {home}/log
astcachedir => {home}/var
astsbindir => {program}/usr/sbin
[options]
systemname = pbx1
maxfiles = {settings.files}
documentation_language = en_US
"""


def _manager(settings: Settings) -> str:
    """AMI users. The collector's has the least rights that its three list and status actions work with.

    `lab` can do nothing; it may hear system events, because FullyBooted is the one sure sign that
    everything is loaded.
    """
    users = (
        (COLLECTOR, settings.collector_secret, "", "reporting"),
        (LAB_USER, settings.lab_secret, "system", ""),
    )
    general = f"[general]\nenabled = yes\nwebenabled = no\nbindaddr = {LOOPBACK}\nport = {settings.ami}\n"
    return general + "".join(
        f"\n[{name}]\nsecret = {secret}\ndeny = 0.0.0.0/0.0.0.0\npermit = {LOOPBACK}/255.255.255.255\n"
        f"read = {read}\nwrite = {write}\nwritetimeout = 5000\n"
        for name, secret, read, write in users
    )


def _pjsip(settings: Settings, sample: Sample) -> str:
    common = f"""\
[global]
type = global
user_agent = Asterisk
endpoint_identifier_order = header

[udp]
type = transport
protocol = udp
bind = {LOOPBACK}:{settings.sip}

[front](!)
type = endpoint
transport = udp
context = from-front
disallow = all
allow = ulaw,alaw
direct_media = no
media_address = {LOOPBACK}
bind_rtp_to_media_address = yes
outbound_proxy = sip:{LOOPBACK}:{settings.front}\\;lr
deny = 0.0.0.0/0.0.0.0
permit = {LOOPBACK}/255.255.255.255
"""
    return common + "".join(_tenant_endpoints(tenant, sample) for tenant in sample.clients)


def _tenant_endpoints(tenant: SampleTenant, sample: Sample) -> str:
    """One endpoint for the tenant's calls from the front, one for each of its phones.

    The front says in X-Tenant whose call it is. Phones are reached through the front, which knows
    where they are registered; each is an endpoint of its own so that queues see its device state.
    """
    domain = tenant.domain
    text = f"""
[{domain}](!,front)
accountcode = {domain}
tenantid = {domain}
from_domain = {domain}
[{domain}-calls]({domain})
[{domain}-calls]
type = identify
endpoint = {domain}-calls
match_header = X-Tenant: {domain}
"""
    for user in _phones(domain, sample):
        name = f"{domain}-{user}"
        text += f"[{name}]({domain})\naors = {name}\n[{name}]\ntype = aor\ncontact = sip:{user}@{domain}\n"
    return text


def _extensions(settings: Settings, sample: Sample) -> str:
    """The dialplan: a door that only the front's own address and port pass, then a context a tenant."""
    text = f"""\
[general]
static = yes
writeprotect = yes

[from-front]
exten => _X!,1,GotoIf($["${{CHANNEL(pjsip,remote_addr)}}" = "{LOOPBACK}:{settings.front}"]?pass)
 same => n,Hangup(21)
 same => n(pass),Goto(${{CHANNEL(accountcode)}},${{EXTEN}},1)
"""
    for tenant in sample.clients:
        domain = tenant.domain
        text += f"""
[{domain}]
; 600 echo, 601 answers and is silent, 602 rings for ever, 603 busy, 605 queue, 606 conference
exten => 600,1,Answer()
 same => n,Echo()
exten => 601,1,Answer()
 same => n,Wait(3600)
exten => 602,1,Ringing()
 same => n,Wait(3600)
exten => 603,1,Hangup(17)
exten => 605,1,Answer()
 same => n,Queue({domain},r,,,120)
exten => 606,1,Answer()
 same => n,ConfBridge({domain})
exten => i,1,Hangup(1)
"""
        text += "".join(
            f"exten => {user},1,Dial(PJSIP/{domain}-{user},30)\n same => n,Hangup(${{HANGUPCAUSE}})\n"
            for user in _phones(domain, sample)
        )
    return text


def _queues(sample: Sample) -> str:
    text = "[general]\npersistentmembers = no\nautofill = yes\n"
    for tenant in sample.clients:
        text += f"\n[{tenant.domain}]\nstrategy = ringall\ntimeout = 15\nretry = 2\njoinempty = yes\n"
        text += "".join(
            f"member => PJSIP/{tenant.domain}-{user}\n" for user in _phones(tenant.domain, sample)
        )
    return text


def _phones(domain: str, sample: Sample) -> list[str]:
    return [phone.user for phone in sample.phones if phone.tenant == domain]
