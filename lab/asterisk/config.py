"""Asterisk's configuration files for the sample platform (pure: settings in, texts out)."""

from collections.abc import Mapping, Sequence
from typing import Final

from lab.asterisk.dialplan import extensions, phones_by_tenant
from lab.asterisk.manager import http, manager
from lab.asterisk.series import Settings
from lab.base import Sample, SampleTenant
from lab.ports import LOOPBACK, LOOPBACK6

# fmt: off
MODULES: Final = (
    "app_confbridge", "app_dial", "app_echo", "app_exec", "app_milliwatt", "app_playback",
    "app_queue", "app_stack", "app_voicemail", "bridge_builtin_features", "bridge_holding",
    "bridge_simple", "bridge_softmix", "chan_pjsip", "codec_alaw", "codec_gsm", "codec_ulaw",
    "format_gsm", "format_wav", "func_channel", "func_cut", "func_logic", "func_strings",
    "pbx_config", "res_manager_devicestate", "res_parking", "res_pjproject", "res_pjsip",
    "res_pjsip_acl", "res_pjsip_authenticator_digest", "res_pjsip_caller_id", "res_pjsip_dtmf_info",
    "res_pjsip_endpoint_identifier_ip", "res_pjsip_header_funcs", "res_pjsip_nat",
    "res_pjsip_pubsub", "res_pjsip_refer", "res_pjsip_registrar", "res_pjsip_rfc3326",
    "res_pjsip_sdp_rtp", "res_pjsip_session", "res_rtp_asterisk", "res_sorcery_config",
    "res_sorcery_memory", "res_sorcery_astdb", "res_timing_timerfd",
)
# fmt: on
"""What the sample platform needs and no more, so that it boots at once and opens no further port."""

_KEPT: Final = 600
"""Seconds from which on a voicemail message is kept; a test call is shorter."""
_REPORTS: Final = 1000
"""Milliseconds between RTCP reports: short calls have some as well."""
_PARKED: Final = 600
"""Seconds until a parked call is given up."""
_SERVICE_LEVEL: Final = 20
_QUALIFY: Final = 1
_EMPTY: Final = ("ccss.conf", "features.conf", "pjproject.conf", "udptl.conf")
"""Files that Asterisk complains about when they are not there."""


def render(settings: Settings, sample: Sample) -> Mapping[str, str]:
    """Return the files by name, for Asterisk's configuration folder."""
    return {
        "asterisk.conf": _asterisk(settings),
        "modules.conf": "[modules]\nautoload = no\n" + "".join(f"load = {name}.so\n" for name in MODULES),
        "logger.conf": "[general]\ndateformat = %F %T.%3q\nqueue_log = no\n"
        "[logfiles]\nmessages.log => warning,error\n",
        "rtp.conf": f"[general]\nrtpstart = {settings.rtp.start}\nrtpend = {settings.rtp.stop - 1}\n"
        f"icesupport = no\nrtcpinterval = {_REPORTS}\n",
        "cdr.conf": "[general]\nenable = no\n",
        "cel.conf": "[general]\nenable = no\n",
        "indications.conf": "[general]\ncountry = us\n[us]\ndescription = United States\n"
        "ringcadence = 2000,4000\nring = 440+480/2000,0/4000\nbusy = 480+620/500,0/500\n",
        "acl.conf": "",
        **dict.fromkeys(_EMPTY, "[general]\n"),
        "manager.conf": manager(settings),
        "http.conf": http(settings),
        "pjsip.conf": _pjsip(settings, sample),
        "extensions.conf": extensions(settings, sample),
        "queues.conf": _queues(sample),
        "voicemail.conf": _voicemail(sample),
        "res_parking.conf": _parking(sample),
        "confbridge.conf": "[general]\n[default_user]\ntype = user\nquiet = yes\n"
        "[default_bridge]\ntype = bridge\n",
    }


def _asterisk(settings: Settings) -> str:
    home, program = settings.home, settings.program
    # Debian moved them into the multiarch folder after the old series.
    found = (*program.glob("usr/lib/*/asterisk/modules"), *program.glob("usr/lib/asterisk/modules"))
    libraries = next(iter(sorted(found)), program)
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
systemname = {settings.series.node}
maxfiles = {settings.files}
documentation_language = en_US
"""


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

[tcp]
type = transport
protocol = tcp
bind = {LOOPBACK}:{settings.gateway}

[local](!)
type = endpoint
disallow = all
allow = ulaw,alaw
direct_media = no
media_address = {LOOPBACK}
bind_rtp_to_media_address = yes
deny = 0.0.0.0/0.0.0.0
permit = {LOOPBACK}/255.255.255.255

[front](!,local)
transport = udp
context = from-front
outbound_proxy = sip:{LOOPBACK}:{settings.fronts[0]}\\;lr

[trunk](front)
context = from-trunk
[trunk]
type = identify
endpoint = trunk
match_header = X-Trunk: did

[gateway](local)
transport = tcp
context = gateway
[gateway]
type = identify
endpoint = gateway
match_header = X-Peer: /^gw[0-9]$/
"""
    gateways = "".join(
        f"\n[{name}](local)\ntransport = tcp\ncontext = gateway\naors = {name}\n"
        f"[{name}]\ntype = aor\ncontact = sip:{LOOPBACK}:{port}\\;transport=tcp\n"
        for name, port in settings.gateways
    )
    users = phones_by_tenant(sample)
    tenants = (_tenant_endpoints(tenant, users[tenant.domain], settings) for tenant in sample.clients)
    return "".join([common, gateways, *tenants])


def _tenant_endpoints(tenant: SampleTenant, users: Sequence[str], settings: Settings) -> str:
    """One endpoint for the tenant's calls from the front, one for each of its phones.

    The front says in X-Tenant whose call it is. Phones are reached through the front, which knows
    where they are registered; each is an endpoint of its own so that queues see its device state.
    The one called `held` reaches any of them, but takes no REFER. The one called `six` is for calls with
    media on IPv6, which the front marks by X-Tenant6, and reaches any of them with such media: an endpoint
    has one address for it. As `desk` phones may register at this Asterisk itself, which say whose they are in
    X-Desk: they are qualified, past the front; nobody calls them, and they can call nobody.
    """
    domain = tenant.domain
    text = f"\n[{domain}](!,front)\naccountcode = {domain}\nfrom_domain = {domain}\n"
    if settings.series.tenant_ids:
        text += f"tenantid = {domain}\n"
    text += f"""\
[{domain}-calls]({domain})
[{domain}-calls]
type = identify
endpoint = {domain}-calls
match_header = X-Tenant: {domain}
[{domain}-held]({domain})
allow_transfer = no
[{domain}-six]({domain})
rtp_ipv6 = yes
media_address = {LOOPBACK6}
aors = {domain}-six
[{domain}-six]
type = aor
contact = sip:{domain}
[{domain}-six]
type = identify
endpoint = {domain}-six
match_header = X-Tenant6: {domain}
[{domain}-desk](local)
transport = udp
context = nowhere
aors = {domain}-desk
[{domain}-desk]
type = aor
max_contacts = 2
qualify_frequency = {_QUALIFY}
[{domain}-desk]
type = identify
endpoint = {domain}-desk
match_header = X-Desk: {domain}
"""
    names = [(f"{domain}-{user}", user) for user in users]
    return text + "".join(
        f"[{name}]({domain})\naors = {name}\n[{name}]\ntype = aor\ncontact = sip:{user}@{domain}\n"
        for name, user in names
    )


def _voicemail(sample: Sample) -> str:
    """One mailbox a tenant. A message under `minsecs` isn't kept, so test calls leave none behind."""
    general = f"[general]\nformat = wav\nminsecs = {_KEPT}\nmaxsecs = {_KEPT + 60}\nmaxmsg = 10\n"
    return general + "".join(f"\n[{tenant.domain}]\n100 => -,Test calls\n" for tenant in sample.clients)


def _parking(sample: Sample) -> str:
    """One lot a tenant, called as the tenant is. None is dialled into: Park and ParkedCall name theirs."""
    text = "[general]\n"
    for tenant in sample.clients:
        text += f"""\
[{tenant.domain}]
context = {tenant.domain}-parked
parkpos = 701-720
parkingtime = {_PARKED}
comebacktoorigin = no
comebackcontext = {tenant.domain}
"""
    return text


def _queues(sample: Sample) -> str:
    text = ["[general]\npersistentmembers = no\nautofill = yes\n"]
    for domain, users in phones_by_tenant(sample).items():
        text.append(
            f"\n[{domain}]\nstrategy = ringall\ntimeout = 15\nretry = 2\njoinempty = yes\n"
            f"servicelevel = {_SERVICE_LEVEL}\n"
        )
        text += [f"member => PJSIP/{domain}-{user}\n" for user in users]
    return "".join(text)
