"""The faults that can be produced before the lab's servers, and what a probe of each must be called."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from enum import StrEnum, auto
from typing import Final
from urllib.parse import urljoin

from dialtone.model import (
    AnsweredBy,
    Engine,
    FailureCode,
    Flow,
    MediaPlan,
    Plan,
    ProbeRequest,
    Secret,
    Side,
    TlsPlan,
)
from lab.faults.media.harm import Events, Harm
from lab.faults.media.settings import Settings
from lab.faults.message import SipText
from lab.faults.rules import GARBAGE, Answer, Become, Edit, Instead, Late, Rule, Way, drop

BOTH: Final = (Engine.SIPPY, Engine.SIPP)


class Through(StrEnum):
    """What a probe is sent through: the relay before the front, or straight to one of the lab's addresses."""

    RELAY = auto()
    TCP = auto()
    TLS = auto()
    HTTP = auto()
    HTTPS = auto()


Change = Callable[[ProbeRequest], ProbeRequest]


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault: what is done on the way or asked for (`change`), and the code that it must get.

    On the way `rules` are about SIP and `media` about the sound of the call; where that is about two calls,
    another one of the tenant goes on meanwhile. Without all of them the same probe passes: that is the
    sabotage of the table.
    """

    name: str
    flow: Flow
    code: FailureCode
    rules: tuple[Rule, ...] = ()
    change: Change | None = None
    media: Settings | None = None
    plan: Plan = field(default_factory=Plan)
    engines: tuple[Engine, ...] = BOTH
    through: Through = Through.RELAY
    timeout: float = 8.0


SHORT: Final = 2.5
"""The timeout, in seconds, of probes that are bound to run into it."""

_UP, _DOWN = Way.UP, Way.DOWN
_PBX: Final = Plan(dial="6{user}")
_ECHO: Final = Plan(number="600", answered_by=AnsweredBy.PLATFORM)
_OPTIONS, _REGISTER, _CALL, _PRESENCE = Flow.OPTIONS, Flow.REGISTER, Flow.CALL, Flow.PRESENCE
_BLIND, _ATTENDED, _HTTP = Flow.BLIND_TRANSFER, Flow.ATTENDED_TRANSFER, Flow.HTTP


def _password(request: ProbeRequest) -> ProbeRequest:
    """Give the party that asks first a wrong password: the caller, the watcher, the one phone there is."""
    first, *others = request.accounts
    return replace(request, accounts=(replace(first, password=Secret("not-the-password")), *others))


def _plan(**changes: object) -> Change:
    return lambda request: replace(request, plan=replace(request.plan, **changes))  # type: ignore[arg-type]


def _target(text: str) -> Change:
    return lambda request: replace(request, target=text)


def _path(path: str) -> Change:
    return lambda request: replace(request, target=urljoin(request.target, path))


def _refuses(method: str, status: int, reason: str, **more: object) -> tuple[Rule, ...]:
    return (Rule(_UP, method, Answer(status, reason), **more),)  # type: ignore[arg-type]


def _loses(way: Way, method: str, **more: object) -> tuple[Rule, ...]:
    return (Rule(way, method, drop, **more),)  # type: ignore[arg-type]


def _final_sipfrag(message: SipText) -> bool:
    return "sipfrag" in message.get("content-type") and "100 Trying" not in message.body


def _for_target(message: SipText) -> bool:
    """Whether a message belongs to a call to the transfer's target: each tenant's third phone."""
    return "103@" in message.get("to")


def _from_target(message: SipText) -> bool:
    return "103@" in message.get("from")


def _answered(message: SipText) -> bool:
    return message.get("content-type") == "application/sdp"


def _carries(words: str) -> Callable[[SipText], bool]:
    return lambda message: words in message.body


def _leaves(message: SipText) -> bool:
    return message.get("expires") == "0" or "expires=0" in message.get("contact")


_HEARD: Final = Plan(media=MediaPlan(seconds=1.5))
_DIALLED: Final = Plan(media=MediaPlan(seconds=1.0, dtmf="17"))
_MUTE, _SILENT = Harm(loss=1.0), Harm(silent=True)
_LOSING, _LATE = Harm(loss=0.25, seed=1), Harm(held=(0.15, 0.4), seed=1)


def _heard(
    name: str, code: FailureCode, *rules: Rule, plan: Plan = _HEARD, media: Settings | None = None
) -> Fault:
    """A fault of what is heard in a call: sippy alone has ears."""
    return Fault(name, _CALL, code, rules, media=media, plan=plan, engines=(Engine.SIPPY,), timeout=12)


_CHALLENGE: Final = ("WWW-Authenticate", 'Digest realm="lab", nonce="once", algorithm=MD5, qop="auth"')

# fmt: off
FAULTS: Final[tuple[Fault, ...]] = (
    # options
    Fault("OPTIONS gets no answer", _OPTIONS, FailureCode.TIMEOUT, _loses(_UP, "OPTIONS"), timeout=SHORT),
    Fault("OPTIONS is answered 503", _OPTIONS, FailureCode.SIP_5XX,
          _refuses("OPTIONS", 503, "Service Unavailable")),
    Fault("OPTIONS is answered 404", _OPTIONS, FailureCode.SIP_4XX, _refuses("OPTIONS", 404, "Not Found")),
    Fault("a name that DNS does not know", _OPTIONS, FailureCode.DNS,
          change=_target("sip:no.such.host.invalid;transport=udp"), timeout=10),
    # register
    Fault("wrong password at REGISTER", _REGISTER, FailureCode.AUTH, change=_password),
    Fault("403 to right credentials", _REGISTER, FailureCode.AUTH,
          (Rule(_UP, "REGISTER", Answer(403, "Forbidden"), where=lambda m: bool(m.get("authorization"))),)),
    Fault("REGISTER is challenged for ever", _REGISTER, FailureCode.AUTH,
          (Rule(_UP, "REGISTER", Answer(401, "Unauthorized", (_CHALLENGE,))),)),
    Fault("REGISTER gets no answer", _REGISTER, FailureCode.TIMEOUT, _loses(_UP, "REGISTER"), timeout=SHORT),
    Fault("the answer to REGISTER is too late", _REGISTER, FailureCode.TIMEOUT,
          (Rule(_DOWN, "REGISTER", Late(SHORT + 0.5), status=2),), timeout=SHORT),
    Fault("REGISTER is answered with garbage", _REGISTER, FailureCode.UNEXPECTED_MESSAGE,
          (Rule(_UP, "REGISTER", Instead(GARBAGE)),), timeout=SHORT),
    Fault("REGISTER is answered 404", _REGISTER, FailureCode.SIP_4XX, _refuses("REGISTER", 404, "Not Found")),
    Fault("REGISTER is answered 503", _REGISTER, FailureCode.SIP_5XX,
          _refuses("REGISTER", 503, "Service Unavailable")),
    Fault("the registrar forgets the binding", _REGISTER, FailureCode.NO_BINDING,
          (Rule(_DOWN, "REGISTER", Edit(r"\r\nContact: [^\r]*", ""), status=2),)),
    Fault("the binding can't be taken back", _REGISTER, FailureCode.SIP_5XX,
          (Rule(_UP, "REGISTER", Answer(500, "Location Locked"), where=_leaves),)),
    Fault("TCP is refused", _REGISTER, FailureCode.CONNECT, through=Through.TCP, engines=(Engine.SIPPY,),
          change=_target("sip:127.0.0.1:1;transport=tcp")),
    Fault("TLS with another host's name", _REGISTER, FailureCode.TLS, through=Through.TLS,
          engines=(Engine.SIPPY,), change=_plan(tls=TlsPlan(name="somebody-else.example"))),
    Fault("SIPp is asked for TCP", _REGISTER, FailureCode.MISCONFIGURED, through=Through.RELAY,
          engines=(Engine.SIPP,),
          change=lambda request: replace(request, target=request.target.replace("=udp", "=tcp"))),
    # call
    Fault("wrong password at INVITE", _CALL, FailureCode.AUTH, change=_password),
    Fault("a number that does not exist", _CALL, FailureCode.SIP_4XX, plan=_ECHO,
          change=_plan(number="699")),
    Fault("a number that is busy (486)", _CALL, FailureCode.SIP_4XX, plan=_ECHO, change=_plan(number="603")),
    Fault("INVITE is redirected (302)", _CALL, FailureCode.SIP_3XX,
          _refuses("INVITE", 302, "Moved Temporarily")),
    Fault("INVITE is answered 480", _CALL, FailureCode.SIP_4XX,
          _refuses("INVITE", 480, "Temporarily Unavailable")),
    Fault("INVITE is answered 503", _CALL, FailureCode.SIP_5XX,
          _refuses("INVITE", 503, "Service Unavailable")),
    Fault("INVITE is answered 603", _CALL, FailureCode.SIP_6XX, _refuses("INVITE", 603, "Decline")),
    Fault("INVITE gets no answer", _CALL, FailureCode.TIMEOUT, _loses(_UP, "INVITE"), timeout=SHORT),
    Fault("it rings for ever", _CALL, FailureCode.TIMEOUT, plan=_ECHO, change=_plan(number="602"),
          timeout=SHORT),
    Fault("the callee's 200 is too late", _CALL, FailureCode.TIMEOUT,
          (Rule(_DOWN, "INVITE", Late(SHORT + 0.5), status=2, where=_answered),), timeout=SHORT),
    Fault("a 200 without a description", _CALL, FailureCode.UNEXPECTED_MESSAGE,
          (Rule(_DOWN, "INVITE", Become(200, "OK"), status=2),)),
    Fault("somebody else answers", _CALL, FailureCode.UNEXPECTED_MESSAGE, change=_plan(number="600")),
    Fault("the ACK is lost", _CALL, FailureCode.TIMEOUT, _loses(_DOWN, "ACK", initial=False)),
    Fault("the BYE gets no answer", _CALL, FailureCode.TIMEOUT, _loses(_UP, "BYE"), timeout=SHORT + 1),
    Fault("the BYE does not reach the callee", _CALL, FailureCode.TIMEOUT,
          (Rule(_UP, "BYE", Answer(200, "OK")),)),
    Fault("the platform hangs up early", _CALL, FailureCode.UNEXPECTED_MESSAGE,
          plan=replace(_ECHO, hold=2.0), change=_plan(number="609")),
    Fault("the callee's BYE gets no answer", _CALL, FailureCode.TIMEOUT, plan=Plan(hangs_up=Side.CALLEE),
          rules=_loses(_UP, "BYE"), timeout=SHORT + 1),
    # what is heard in a call
    _heard("nothing is heard either way", FailureCode.NO_MEDIA, media=Settings(_MUTE, _MUTE)),
    _heard("silence is heard both ways", FailureCode.NO_MEDIA, media=Settings(_SILENT, _SILENT)),
    _heard("the answer refuses the audio (port 0)", FailureCode.NO_MEDIA,
           Rule(_UP, "INVITE", Edit("m=audio [0-9]+", "m=audio 0"), status=2)),
    _heard("the call is on hold from the start", FailureCode.NO_MEDIA,
           Rule(_DOWN, "INVITE", Edit("a=sendrecv", "a=inactive"), initial=True)),
    _heard("the callee hears nothing", FailureCode.ONE_WAY_MEDIA, media=Settings(to_callee=_MUTE)),
    _heard("the caller hears nothing", FailureCode.ONE_WAY_MEDIA, media=Settings(to_caller=_MUTE)),
    _heard("the callee hears silence", FailureCode.ONE_WAY_MEDIA, media=Settings(to_callee=_SILENT)),
    _heard("the caller hears silence", FailureCode.ONE_WAY_MEDIA, media=Settings(to_caller=_SILENT)),
    _heard("two calls hear each other", FailureCode.CROSSED_MEDIA, media=Settings(calls=2, crossed=True)),
    _heard("a quarter of the packets is lost", FailureCode.POOR_MEDIA, media=Settings(_LOSING, _LOSING)),
    _heard("one packet of seven comes too late", FailureCode.POOR_MEDIA, media=Settings(_LATE, _LATE)),
    _heard("telephone events are lost", FailureCode.NO_DTMF, plan=_DIALLED,
           media=Settings(Harm(events=Events.LOST), Harm(events=Events.LOST))),
    _heard("telephone events are not offered", FailureCode.NO_DTMF,
           Rule(_DOWN, "INVITE", Edit(r"(m=audio [^\r]*) 101(?=\r)|\r\na=(?:rtpmap|fmtp):101 [^\r]*", r"\1"),
                initial=True), plan=_DIALLED),
    _heard("other digits come than those dialled", FailureCode.NO_DTMF, plan=_DIALLED,
           media=Settings(Harm(events=Events.OTHER), Harm(events=Events.OTHER))),
    # presence
    Fault("the NOTIFY with the new state is lost", _PRESENCE, FailureCode.NO_NOTIFY,
          _loses(_DOWN, "NOTIFY", where=_carries("open"))),
    Fault("NOTIFY tells the wrong state", _PRESENCE, FailureCode.WRONG_STATE,
          (Rule(_DOWN, "NOTIFY", Edit("<basic>open", "<basic>closed")),)),
    Fault("no NOTIFY at all", _PRESENCE, FailureCode.NO_NOTIFY, _loses(_DOWN, "NOTIFY")),
    Fault("SUBSCRIBE is answered 489", _PRESENCE, FailureCode.SIP_4XX,
          _refuses("SUBSCRIBE", 489, "Bad Event")),
    Fault("PUBLISH is answered 503", _PRESENCE, FailureCode.SIP_5XX,
          _refuses("PUBLISH", 503, "Service Unavailable")),
    Fault("wrong password at SUBSCRIBE", _PRESENCE, FailureCode.AUTH, change=_password),
    # blind transfer
    Fault("REFER is refused (603)", _BLIND, FailureCode.TRANSFER_REFUSED, _refuses("REFER", 603, "Decline"),
          plan=_PBX),
    Fault("REFER to a number that does not exist", _BLIND, FailureCode.TRANSFER_FAILED, plan=_PBX,
          rules=(Rule(_UP, "REFER", Edit(r"Refer-To: [^\r]*sip:6[0-9]+", "Refer-To: <sip:699")),)),
    Fault("REFER gets no answer", _BLIND, FailureCode.TIMEOUT, _loses(_UP, "REFER"), plan=_PBX, timeout=12),
    Fault("target busy though the sipfrag says 200", _BLIND, FailureCode.TRANSFER_FAILED, plan=_PBX,
          rules=(Rule(_DOWN, "INVITE", Answer(486, "Busy Here"), initial=True, where=_for_target),)),
    Fault("the sipfrag says 503", _BLIND, FailureCode.TRANSFER_FAILED, plan=_PBX,
          rules=(Rule(_DOWN, "NOTIFY", Edit("SIP/2.0 200 OK\r\n$", "SIP/2.0 503 Service Unavailable\r\n"),
                      where=_final_sipfrag),)),
    Fault("the final NOTIFY of REFER is lost", _BLIND, FailureCode.NO_NOTIFY, plan=_PBX,
          rules=_loses(_DOWN, "NOTIFY", where=_final_sipfrag), timeout=15),
    # attended transfer
    Fault("REFER with Replaces is refused (400)", _ATTENDED, FailureCode.TRANSFER_REFUSED, plan=_PBX,
          rules=_refuses("REFER", 400, "Bad Request")),
    Fault("Replaces names no dialog", _ATTENDED, FailureCode.TRANSFER_FAILED, plan=_PBX,
          rules=(Rule(_UP, "REFER", Edit(r"(to-tag%3[Dd])", r"\1nobody")),)),
    Fault("REFER with Replaces is accepted and forgotten", _ATTENDED, FailureCode.NO_NOTIFY, plan=_PBX,
          rules=(Rule(_UP, "REFER", Answer(202, "Accepted")),), timeout=15),
    Fault("the consultation leg is never hung up", _ATTENDED, FailureCode.TRANSFER_FAILED, plan=_PBX,
          rules=_loses(_DOWN, "BYE", where=_from_target), timeout=15),
    Fault("nobody hears the transferee", _ATTENDED, FailureCode.TRANSFER_FAILED, plan=_PBX,
          rules=(Rule(_UP, "INVITE", Edit(r"m=audio [0-9]+", "m=audio 9"), status=2, where=_for_target),),
          timeout=15),
    # http
    Fault("the page is not found", _HTTP, FailureCode.HTTP_STATUS, through=Through.HTTP,
          change=_path("/no-such-page"), engines=(Engine.SERVICE,)),
    Fault("the page lacks its text", _HTTP, FailureCode.HTTP_CONTENT, through=Through.HTTP,
          change=_plan(contains="what no page says"), engines=(Engine.SERVICE,)),
    Fault("the certificate is another host's", _HTTP, FailureCode.TLS, through=Through.HTTPS,
          engines=(Engine.SERVICE,), change=_plan(tls=TlsPlan(name="somebody-else.example"))),
    Fault("nothing listens at the address", _HTTP, FailureCode.CONNECT, through=Through.HTTP,
          engines=(Engine.SERVICE,), change=_target("http://127.0.0.1:1/")),
)
# fmt: on
