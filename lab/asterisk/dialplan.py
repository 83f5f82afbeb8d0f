"""Asterisk's dialplan for the sample platform: who may come in, and what each number does (extensions.conf).

Numbers begin with the digit of their Asterisk, 6 or 7; docs/lab.md lists them. A context is called like its
tenant, which ${CONTEXT} says in what all tenants share.
"""

from typing import Final

from lab.asterisk.series import Settings
from lab.base import Sample, SampleTenant
from lab.ports import LOOPBACK

DID: Final = "1514"
"""What every DID begins with; then come four digits of the tenant and three of its phone."""

_HEAD: Final = """\
[general]
static = yes
writeprotect = yes
"""

# A transfer goes to a number of the tenant's own context, or is refused with 404 as Asterisk does by itself.
# SIX says that the call's media came by IPv6: then what it rings is given such media too.
_FRONT: Final = """
[from-front]
exten => _X!,1,GotoIf($[{door}]?pass)
 same => n,Hangup(21)
 same => n(pass),Set(__PROBE=${{PJSIP_HEADER(read,X-Dialtone-Probe)}})
 same => n,Set(__SIX=${{PJSIP_HEADER(read,X-Tenant6)}})
 same => n,Set(__TRANSFER_CONTEXT=${{CHANNEL(accountcode)}})
 same => n,Goto(${{CHANNEL(accountcode)}},${{EXTEN}},1)

; What a call that goes out says of the one that came in.
[told]
exten => s,1,ExecIf($["${{PROBE}}" != ""]?Set(PJSIP_HEADER(add,X-Dialtone-Probe)=${{PROBE}}))
 same => n,ExecIf($["${{GATEWAY}}" != ""]?Set(PJSIP_HEADER(add,X-Peer)=${{GATEWAY}}))
 same => n,ExecIf($["${{OWNER}}" != ""]?Set(PJSIP_HEADER(add,X-Tenant)=${{OWNER}}))
 same => n,Return()

; The far side of the other Asterisk's gateways.
[gateway]
exten => _X!,1,Answer()
 same => n,Echo()

[ivr]
exten => s,1,Background(basic-pbx-ivr-main)
 same => n,WaitExten(10)
exten => 1,1,Goto(${{CHANNEL(accountcode)}},101,1)
exten => 2,1,Echo()
exten => i,1,Playback(pbx-invalid)
 same => n,Goto(s,1)
exten => t,1,Playback(vm-goodbye)
 same => n,Hangup(16)
"""

_NUMBERS: Final = """
[numbers]
exten => {p}00,1,Answer()
 same => n,Echo()
exten => {p}01,1,Answer()
 same => n,Wait(3600)
exten => {p}02,1,Ringing()
 same => n,Wait(3600)
exten => {p}03,1,Hangup(17)
exten => {p}04,1,Answer()
 same => n,VoiceMail(100@${{CONTEXT}},s)
 same => n,Hangup(16)
exten => {p}05,1,Answer()
 same => n,Queue(${{CONTEXT}},r,,,120)
exten => {p}06,1,Answer()
 same => n,ConfBridge(${{CONTEXT}})
exten => {p}07,1,Answer()
 same => n,Goto(ivr,s,1)
exten => {p}09,1,Answer()
 same => n,Wait(1)
 same => n,Hangup(16)
; by a Local channel that stays, and by one that is optimised away once the phone answers
exten => {p}10,1,Dial(Local/{p}01@${{CONTEXT}}/n,30)
 same => n,Hangup(${{HANGUPCAUSE}})
exten => {p}11,1,Dial(Local/101@${{CONTEXT}},30)
 same => n,Hangup(${{HANGUPCAUSE}})
; parks the caller; takes the call that was parked first
exten => {p}12,1,Answer()
 same => n,Park(${{CONTEXT}},rs)
 same => n,Hangup(16)
exten => {p}13,1,ParkedCall(${{CONTEXT}})
 same => n,Hangup(16)
; a tone of 1004 Hz
exten => {p}14,1,Answer()
 same => n,Milliwatt()
; a phone of the tenant as one that may transfer nothing
exten => _{p}0XXX,1,Dial(PJSIP/${{CONTEXT}}-held/sip:${{EXTEN:2}}@${{CONTEXT}},30,b(told^s^1))
 same => n,Hangup(${{HANGUPCAUSE}})
; out by the gateway that the caller names, else by the first
exten => _9XXX.,1,Set(GATEWAY=${{PJSIP_HEADER(read,X-Gateway)}})
 same => n,ExecIf($["${{GATEWAY}}" = ""]?Set(GATEWAY={first}))
 same => n,GotoIf($[${{REGEX("^({names})$" ${{GATEWAY}})}}]?known)
 same => n,Hangup(34)
 same => n(known),Set(__GATEWAY=${{GATEWAY}})
 same => n,Dial(PJSIP/${{EXTEN:1}}@${{GATEWAY}},30,b(told^s^1))
 same => n,ExecIf($["${{DIALSTATUS}}" = "CHANUNAVAIL"]?Hangup(34))
 same => n,Hangup(${{HANGUPCAUSE}})
; A transfer to a call that the other Asterisk has: an INVITE with Replaces goes there by the front.
; PJSIP adds Replaces and Referred-By by itself.
exten => external_replaces,1,Set(WHOM=${{CUT(CUT(SIPREFERTOHDR,<,2),>,1)}})
 same => n,ExecIf($["${{WHOM}}" = ""]?Set(WHOM=${{SIPREFERTOHDR}}))
 same => n,Set(__OWNER=${{CHANNEL(accountcode)}})
 same => n,Dial(PJSIP/${{OWNER}}-calls/${{WHOM}},30,b(told^s^1))
 same => n,Hangup(${{HANGUPCAUSE}})
exten => i,1,Hangup(1)
"""


def extensions(settings: Settings, sample: Sample) -> str:
    """Return extensions.conf: a door that only the fronts' own addresses pass, then a context a tenant."""
    door = " | ".join(
        f'"${{CHANNEL(pjsip,remote_addr)}}" = "{LOOPBACK}:{front}"' for front in settings.fronts
    )
    names = [name for name, _ in settings.gateways]
    shared = _FRONT.format(door=door) + _NUMBERS.format(
        p=settings.series.prefix, first=names[0], names="|".join(names)
    )
    users = phones_by_tenant(sample)
    return "".join(
        [
            _HEAD,
            shared,
            _dids(door, sample),
            *(_context(tenant, settings.series.prefix, users[tenant.domain]) for tenant in sample.clients),
        ]
    )


def phones_by_tenant(sample: Sample) -> dict[str, list[str]]:
    """Return the users of every client's phones, by its domain."""
    found: dict[str, list[str]] = {tenant.domain: [] for tenant in sample.clients}
    for phone in sample.phones:
        found[phone.tenant].append(phone.user)
    return found


def _dids(door: str, sample: Sample) -> str:
    """The trunk's calls come in without a tenant: the number says whose they are."""
    text = "\n[from-trunk]\n"
    for tenant in sample.clients:
        text += f"""\
exten => _{DID}{tenant.number:04}XXX,1,GotoIf($[{door}]?pass)
 same => n,Hangup(21)
 same => n(pass),Set(CHANNEL(accountcode)={tenant.domain})
 same => n,Set(__PROBE=${{PJSIP_HEADER(read,X-Dialtone-Probe)}})
 same => n,Set(__TRANSFER_CONTEXT={tenant.domain})
 same => n,Goto({tenant.domain},${{EXTEN:{len(DID) + 4}}},1)
"""
    return text


def _context(tenant: SampleTenant, prefix: str, users: list[str]) -> str:
    domain = tenant.domain
    group = "&".join(_phone(domain, user) for user in users)
    return "".join(
        [
            f"\n[{domain}]\ninclude => numbers\n",
            f"exten => {prefix}08,1,Dial({group},30,b(told^s^1))\n same => n,Hangup(${{HANGUPCAUSE}})\n",
            *(
                f"exten => {user},1,Dial({_phone(domain, user)},30,b(told^s^1))\n"
                " same => n,Hangup(${HANGUPCAUSE})\n"
                f"exten => {prefix}{user},1,Goto({user},1)\n"
                for user in users
            ),
        ]
    )


def _phone(domain: str, user: str) -> str:
    """Return what is dialled to reach a phone with media of the family of the call that comes in."""
    return f'PJSIP/${{IF($["${{SIX}}" = ""]?{domain}-{user}:{user}@{domain}-six)}}'
