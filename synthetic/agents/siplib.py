"""The one module that imports sippy (2.5.0): puts our clock and event loop in, then gives its names on.

Order matters: sippy's modules copy the clock and the event dispatcher into their own namespace when
they are imported. Each replaced part is held by tests/contract/test_sippy_internals.py.
"""
# ruff: noqa: E402, N813 - the order of these imports is what this module is for

import re
import sys
import time
from typing import Any, Final, TextIO
from urllib.parse import quote, unquote

from synthetic.agents.adapter import LoopDispatcher, OneSocket

_PLAIN: Final = re.compile(r"[!#-;=?-~]+")
"""Printable, and without what would end a URI in a header: space, quotation mark, angle brackets."""
_VISUAL: Final = re.compile(r"[-.()]")
"""What a number is written with for people (RFC 3966 5.1.1)."""
_KNOWN_BY: Final = frozenset({"cseq", "call-id", "from"})
"""The headers that tell a transaction, the last of a name where there are several."""
_BARE: Final = re.compile(r"(?:sips|tel):[^<]*$", re.IGNORECASE)

if "sippy.Time.Timeout" in sys.modules:
    raise ImportError("sippy was imported before synthetic.agents.siplib: its timers would run on no loop")

import sippy.Core.EventDispatcher as _event_dispatcher

DISPATCHER: Final = LoopDispatcher()
_event_dispatcher.ED2 = DISPATCHER

import sippy.Core.Exceptions as _exceptions


class Complaints(TextIO):
    """A stream that swallows what sippy prints about messages it can't read, and counts it.

    Such text may hold a tenant's messages, so it goes to no log; the evidence has it, redacted.
    """

    def __init__(self) -> None:
        self.count = 0

    def write(self, text: str) -> int:
        """Count and forget."""
        self.count += 1
        return len(text)

    def flush(self) -> None:
        """Nothing is kept back."""

    def print(self, *_: object, **__: object) -> None:
        """Stand in for print() in sippy's modules."""
        self.count += 1


COMPLAINTS: Final = Complaints()  # type: ignore[abstract]  # only what sippy calls is offered
# dump_exception(msg, f=sys.stdout, extra=None): every module has imported it by name, so its default changes.
_exceptions.dump_exception.__defaults__ = (COMPLAINTS, None)

import sippy.SipConf as _sip_conf
import sippy.SipMsg as _sip_msg
import sippy.SipRequest as _sip_request
import sippy.SipTransactionManager as _sip_transaction_manager
import sippy.SipURL as _sip_url
import sippy.SipVia as _sip_via

for _module in (_sip_msg, _sip_request, _sip_transaction_manager, _sip_url):
    _module.print = COMPLAINTS.print  # they print() to stdout


def _own(value: object) -> tuple[str, ...]:
    """Stand in for dir() where all that sippy asks is `"my" in dir(value)`.

    It asks that of each host, port and transport that it writes, and dir() makes a sorted list of some eighty
    names each time: a tenth of all that a call cost.
    """
    return ("my",) if hasattr(value, "my") else ()


for _module in (_sip_conf, _sip_url, _sip_via):
    _module.dir = _own


class Instant:
    """When something happened: `monot` is CLOCK_MONOTONIC, in seconds; now, unless one is given.

    It stands in for sippy's MonoTime, which reads CLOCK_MONOTONIC_RAW: that drifts from the clock of asyncio
    and of time.monotonic() by as much as NTP slews. It also keeps a wall clock, for the log alone.
    """

    __slots__ = ("monot",)
    realt: float = 0.0

    def __init__(self, monot: float | None = None) -> None:
        self.monot = time.monotonic() if monot is None else monot


_sip_transaction_manager.MonoTime = Instant


class _Written(str):
    """A part of a URI without its escapes, and `raw`, how it was written."""

    raw: str


def _unquote(raw: str) -> _Written:
    """Read a part of a URI, and remember how it was written."""
    text = _Written(unquote(raw))
    text.raw = raw
    return text


def _quote(text: str, safe: str = "/") -> str:
    """Write a part of a URI; one that was read as it was.

    What a Contact says is the Request-URI of all that follows (RFC 3261 12.2.1.1), and `%3B` is not `;`
    (19.1.4): sippy would put its own escapes for the platform's.
    """
    raw = text.raw if isinstance(text, _Written) else ""
    return raw if _PLAIN.fullmatch(raw) else quote(text, safe)


_sip_url.unquote, _sip_url.quote = _unquote, _quote
_sip_url.USERNAME_SAFE = _sip_url.USERNAME_SAFE.replace("#", "")  # *31# is *31%23 (RFC 3261 25.1)

_sip_transaction_manager.local4remote = OneSocket

from sippy.MsgBody import MsgBody
from sippy.Network_server import Remote_address as RemoteAddress
from sippy.SipAddress import SipAddress
from sippy.SipCallId import SipCallId
from sippy.SipConf import SipConf
from sippy.SipContact import SipContact
from sippy.SipExpires import SipExpires
from sippy.SipFrom import SipFrom
from sippy.SipHeader import SipHeader
from sippy.SipMsg import SipMsg
from sippy.SipRequest import SipRequest
from sippy.SipResponse import SipResponse
from sippy.SipTo import SipTo
from sippy.SipTransactionManager import RINGING, TRYING, SipTMRetransmitO, SipTransactionManager
from sippy.SipURL import SipURL
from sippy.Time.Timeout import Timeout
from sippy.Udp_server import Udp_server_opts as UdpOptions

SipConf.my_uaname = "Dialtone"


def _first_body(self: SipMsg, name: str, idx: int = 0) -> Any:
    """Return what a header of a message says. sippy makes a list of all of that name first, and a call asks
    for some two hundred.
    """
    for header in self.headers:
        if header.name == name:
            if not idx:
                return header.getBody()
            idx -= 1
    raise IndexError(name)


def _transaction_id(
    self: SipMsg,
    wCSM: bool = False,  # noqa: N803 - sippy's names: with CSeq's method, Via's branch, To's tag
    wBRN: bool = False,  # noqa: N803
    wTTG: bool = False,  # noqa: N803
) -> tuple[Any, ...]:
    """Return what a message's transaction is known by, as sippy does, in one look at its headers."""
    found = {header.name: header for header in self.headers if header.name in _KNOWN_BY}
    number, method = found["cseq"].getBody().getCSeq()
    parts = [str(found["call-id"].getBody()), found["from"].getBody().getTag(), number]
    if wCSM:
        parts.append(method)
    if wBRN:
        parts.append(_first_body(self, "via").getBranch())
    if wTTG:
        parts.append(_first_body(self, "to").getTag())
    return tuple(parts)


def _whole_copy(self: SipURL) -> SipURL:
    """Copy a URI with its scheme: sippy makes `sip:` of a `sips:` Contact or Record-Route.

    A call copies some forty, so nothing is read or checked anew.
    """
    made = SipURL.__new__(SipURL)
    made.__dict__.update(self.__dict__, other=list(self.other), userparams=list(self.userparams))
    return made


def _transport_address(self: SipURL) -> tuple[tuple[str, int], str]:
    """Return where a URI leads, with its transport's own port (RFC 3261 19.1.2): sippy knows 5060 alone."""
    given = self.transport.lower() if isinstance(self.transport, str) else SipConf.default_transport
    transport = "tls" if self.scheme == "sips" else given
    port = self.port if self.port is not None else 5061 if transport == "tls" else SipConf.default_port
    return (self.host, port), transport


def _read_tel(self: SipURL, url: str, _relaxed: bool) -> None:
    """Read a tel URI (RFC 3966), which trunks and PBXs write in From and To: its number, and no host.

    sippy makes a sip URI of it, or refuses it; but an answer repeats From and To as they were (RFC 3261
    8.2.6.2).
    """
    self.other = [url]
    self.username = _VISUAL.sub("", unquote(url.partition(";")[0]))
    self.host = ""


def _write_url(self: SipURL, local_addr: object = None) -> str:
    """Write a URI; one without a host as it was read."""
    return f"tel:{self.other[0]}" if self.scheme == "tel" else str(_write_sip_url(self, local_addr))


def _read_address(self: SipAddress, address: str | None = None, *given: object, **named: object) -> None:
    """Read a header's address; sippy knows a URI without angle brackets only where it is a sip URI."""
    if address is not None and _BARE.match(address):
        uri, semicolon, parameters = address.partition(";")  # those are of the header (RFC 3261 20)
        address = f"<{uri}>{semicolon}{parameters}"
    try:
        _read_bracketed(self, address, *given, **named)
    except UnboundLocalError:  # sippy's, of a single quote
        raise ValueError("a quotation that does not end") from None


_write_sip_url, _read_bracketed = SipURL.localStr, SipAddress.__init__
SipMsg.getHFBody, SipMsg.getTId = _first_body, _transaction_id
SipURL.getCopy = _whole_copy
SipURL.getTAddr = _transport_address
SipURL.convertTelURL = _read_tel
SipURL.localStr = _write_url
SipAddress.__init__ = _read_address
SipConf.autoconvert_tel_url = True

__all__ = [
    "COMPLAINTS",
    "DISPATCHER",
    "Instant",
    "MsgBody",
    "RINGING",
    "RemoteAddress",
    "SipAddress",
    "SipCallId",
    "SipContact",
    "SipExpires",
    "SipFrom",
    "SipHeader",
    "SipRequest",
    "SipResponse",
    "SipTMRetransmitO",
    "SipTo",
    "SipTransactionManager",
    "SipURL",
    "TRYING",
    "Timeout",
    "UdpOptions",
]
