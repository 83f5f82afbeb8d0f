"""SIP messages that no sane peer sends: those of RFC 4475, and mutations of them and of real ones.

Everything is drawn from a seed: the same seed gives the same messages.
"""

import random
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from lab.faults.message import SipText

DATA: Final = Path(__file__).parents[1] / "data" / "sip"
BETWEEN: Final = b"%%\n"
"""What stands between two messages of one file of real ones."""

_END: Final = b"\r\n\r\n"
_COMPACT: Final = {
    b"via": b"v",
    b"from": b"f",
    b"to": b"t",
    b"call-id": b"i",
    b"contact": b"m",
    b"content-length": b"l",
    b"content-type": b"c",
    b"event": b"o",
    b"refer-to": b"r",
    b"subject": b"s",
    b"supported": b"k",
}
_IDENTITY: Final = {b"via", b"from", b"to", b"call-id", b"cseq", b"v", b"f", b"t", b"i"}
_LENGTHS: Final = {b"content-length", b"l"}

Rewrite = Callable[[random.Random, bytes], bytes]


def torture() -> dict[str, bytes]:
    """Return the 49 messages of RFC 4475 by the RFC's names."""
    return {path.stem: path.read_bytes() for path in sorted((DATA / "rfc4475").glob("*.dat"))}


def real() -> list[bytes]:
    """Return messages of every flow as they were on the wire, both ways."""
    files = sorted((DATA / "flows").glob("*.txt"))
    return [message for path in files for message in path.read_bytes().split(BETWEEN)]


def framed(message: bytes) -> bytes:
    """Return a message whose one Content-Length is right: on a stream the next one begins behind it."""
    first, headers, body = _taken_apart(message)
    kept = [line for line in headers if _name(line) not in _LENGTHS]
    return _put_together(first, [*kept, b"Content-Length: %d" % len(body)], body)


def addressed(message: bytes, port: int, branch: str) -> bytes:
    """Return a message that says it came from this port of 127.0.0.1, so that answers come back there."""
    first, headers, body = _taken_apart(message)
    vias = [number for number, line in enumerate(headers) if _name(line) in (b"via", b"v")]
    if vias:
        headers[vias[0]] = b"Via: SIP/2.0/UDP 127.0.0.1:%d;branch=z9hG4bK%s" % (port, branch.encode())
    return _put_together(first, headers, body)


class Mutator:
    """Makes messages that are wrong somewhere, or right in the wrong place."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self._corpus: Sequence[bytes] = [*torture().values(), *real()]
        self._number = 0

    def message(self, live: Sequence[SipText], port: int) -> bytes:
        """Return the next message.

        `live` are messages of the one it is for, as the server at `port` got them: most of what comes is
        about the calls, requests and subscriptions that these are about.
        """
        draw = self._random
        self._number += 1
        message = draw.choice(self._corpus)
        if live and draw.random() < 0.75:
            message = self._about(message, draw.choice(live), port)
        for _ in range(draw.choice((0, 1, 1, 1, 2, 3))):
            message = self._changed(message)
        return message[:65_000]

    def _about(self, message: bytes, live: SipText, port: int) -> bytes:
        """Return a message with the identity of a live dialog or transaction, or with most of it."""
        first, headers, body = _taken_apart(message)
        kept = [line for line in headers if _name(line) not in _IDENTITY]
        sender, receiver = live.get("from"), live.get("to")
        number = re.match(r"[0-9]{1,10}", live.get("cseq"))
        if first.startswith(b"SIP/2.0"):
            vias, cseq = live.all("via"), live.get("cseq")
            if ";tag=" not in receiver:
                receiver += f";tag=far{self._random.randrange(3)}"
        else:
            vias = [f"SIP/2.0/UDP 127.0.0.1:{port};branch=z9hG4bKm{self._number}"]
            method = first.split(b" ", 1)[0].decode("latin-1")
            cseq = f"{int(number[0] if number else 0) + self._number} {method}"
            if not live.is_response:
                sender, receiver = receiver, sender
            if ";tag=" not in sender:
                sender += ";tag=far"
        about = [("From", sender), ("To", receiver), ("Call-ID", live.get("call-id")), ("CSeq", cseq)]
        if self._random.random() < 0.2:
            del about[self._random.randrange(4)]
        lines = [*(("Via", via) for via in vias), *about]
        named = [f"{name}: {value}".encode("latin-1", "replace") for name, value in lines]
        return _put_together(first, [*named, *kept], body)

    def _changed(self, message: bytes) -> bytes:
        draw = self._random
        if draw.random() < 0.1:
            return _spliced(draw, message, draw.choice(self._corpus))
        return draw.choice(MUTATIONS)(draw, message)


def _flipped(draw: random.Random, message: bytes) -> bytes:
    changed = bytearray(message)
    for _ in range(draw.randint(1, 8)):
        changed[draw.randrange(len(changed))] = draw.randrange(256)
    return bytes(changed)


def _truncated(draw: random.Random, message: bytes) -> bytes:
    return message[: draw.randint(1, len(message))]


def _with_a_hole(draw: random.Random, message: bytes) -> bytes:
    start = draw.randrange(len(message))
    return message[:start] + message[start + draw.randint(1, 60) :] or b"\r\n"


def _spliced(draw: random.Random, message: bytes, other: bytes) -> bytes:
    return message[: draw.randint(1, len(message))] + other[draw.randrange(len(other)) :]


def _header_twice(draw: random.Random, message: bytes) -> bytes:
    def twice(headers: list[bytes]) -> None:
        line = draw.choice(headers)
        for _ in range(draw.choice((1, 1, 2, 50, 300))):
            headers.insert(draw.randrange(len(headers) + 1), line)

    return _with_headers(message, twice)


def _header_gone(draw: random.Random, message: bytes) -> bytes:
    return _with_headers(message, lambda headers: headers.remove(draw.choice(headers)))


def _reordered(draw: random.Random, message: bytes) -> bytes:
    return _with_headers(message, draw.shuffle)


def _folded(draw: random.Random, message: bytes) -> bytes:
    def fold(headers: list[bytes]) -> None:
        at = draw.randrange(len(headers))
        where = draw.randint(0, len(headers[at]))
        headers[at] = headers[at][:where] + b"\r\n" + draw.choice((b" ", b"\t ")) + headers[at][where:]

    return _with_headers(message, fold)


def _value_replaced(draw: random.Random, message: bytes) -> bytes:
    def replaced(headers: list[bytes]) -> None:
        at = draw.randrange(len(headers))
        headers[at] = headers[at].partition(b":")[0] + b": " + draw.choice(_VALUES)

    return _with_headers(message, replaced)


def _compacted(draw: random.Random, message: bytes) -> bytes:
    first, headers, body = _taken_apart(message)
    short = [_COMPACT.get(_name(line), line.partition(b":")[0]) for line in headers]
    made = [name + b":" + line.partition(b":")[2] for name, line in zip(short, headers, strict=True)]
    return _put_together(first, made, body)


def _number_blown_up(draw: random.Random, message: bytes) -> bytes:
    numbers = list(re.finditer(rb"[0-9]+", message))
    if not numbers:
        return message
    found = draw.choice(numbers)
    return message[: found.start()] + draw.choice(_NUMBERS) + message[found.end() :]


def _other_encoding(draw: random.Random, message: bytes) -> bytes:
    text = message.decode("latin-1")
    odd = draw.choice(("\u00c5\u0085\u00e9", "\u20ac\U0001f4de", "\ufeff", "\u2028\u2029"))
    at = draw.randint(0, len(text))
    encoding = draw.choice(("utf-8", "utf-8", "utf-8", "utf-16", "cp037", "utf-7"))
    return (text[:at] + odd + text[at:]).encode(encoding, "replace")


def _other_line_ends(draw: random.Random, message: bytes) -> bytes:
    return message.replace(b"\r\n", draw.choice((b"\n", b"\r", b"\n\r", b"\x0b", b"\r\n\r\n", b"\x85")))


def _oversized(draw: random.Random, message: bytes) -> bytes:
    size = draw.choice((3_000, 12_000, 15_000, 40_000))
    piece = draw.choice(
        (b"x", b"\x00", b"a=b\r\n", b"<a>", b"m=audio 9 RTP/AVP 0\r\n", b"\r\n", b'",', b";a=b")
    )
    first, headers, body = _taken_apart(message)
    return _put_together(first, headers, body + piece * (size // len(piece)))


def _long_header(draw: random.Random, message: bytes) -> bytes:
    piece = draw.choice(
        (b"x", b",<sip:a@b>", b";a=b", b"%", b"\\", b" ", b"(", b"<", b"@", b":", b"[", b"&a=b")
    )
    size = draw.choice((200, 2_000, 12_000))

    def lengthen(headers: list[bytes]) -> None:
        headers[draw.randrange(len(headers))] += piece * (size // len(piece))

    return _with_headers(message, lengthen)


MUTATIONS: Final[Sequence[Rewrite]] = (
    _flipped,
    _truncated,
    _with_a_hole,
    _header_twice,
    _header_gone,
    _reordered,
    _folded,
    _value_replaced,
    _value_replaced,
    _compacted,
    _number_blown_up,
    _number_blown_up,
    _other_encoding,
    _other_line_ends,
    _oversized,
    _long_header,
)
_NUMBERS: Final = (
    b"0",
    b"-1",
    b"4294967296",
    b"2147483648",
    b"9" * 30,
    b"9" * 5000,
    b"1e9",
    b"0x10",
    b"65536",
    b"",
)
_VALUES: Final = (
    b"",
    b"*",
    b"<",
    b">",
    b'"',
    b"<>",
    b";",
    b";;;",
    b",",
    b"sip:",
    b"<sip:>",
    b"<sip:@>",
    b"<sip:[::1>;tag=",
    b"<sip:[::1]:99999999999>",
    b"sip:%00%0d%0a@%",
    b"tel:+1",
    b"\x00",
    b"\xff\xfe",
    b"0",
    b"-1 INVITE",
    b"99999999999999999999 INVITE",
    b"SIP/2.0/UDP",
    b"SIP/2.0/UDP 127.0.0.1:x;branch",
    b"Digest",
    b'Digest realm="',
    b'Digest realm="r", nonce="n", algorithm=MD6, qop="x,,"',
    b'Digest realm="r", nonce="n", stale=true',
    b"terminated",
    b"active;expires=99999999999999999999",
    b"refer;id=-1",
    b"a;to-tag=b;from-tag=c",
    b"Wed, 31 Feb 9999 25:61:61 XST",
)


def _with_headers(message: bytes, change: Callable[[list[bytes]], object]) -> bytes:
    first, headers, body = _taken_apart(message)
    if headers:
        change(headers)
    return _put_together(first, headers, body)


def _taken_apart(message: bytes) -> tuple[bytes, list[bytes], bytes]:
    """Return first line, headers (with what is folded), body; all of it goes together again."""
    head, _, body = message.partition(_END)
    first, *lines = head.split(b"\r\n")
    headers: list[bytes] = []
    for line in lines:
        if line[:1] in (b" ", b"\t") and headers:
            headers[-1] += b"\r\n" + line
        else:
            headers.append(line)
    return first, headers, body


def _put_together(first: bytes, headers: Sequence[bytes], body: bytes) -> bytes:
    return b"\r\n".join([first, *headers]) + _END + body


def _name(line: bytes) -> bytes:
    return line.partition(b":")[0].strip().lower()
