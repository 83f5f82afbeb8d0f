"""When a certificate ends, read from its bytes: ssl tells it only of certificates that it has verified."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Final

_SEQUENCE: Final = 0x30
_VERSION: Final = 0xA0
_UTC_TIME: Final = 0x17
_GENERALIZED_TIME: Final = 0x18
_DIGITS: Final = {_UTC_TIME: re.compile(rb"[0-9]{12}Z"), _GENERALIZED_TIME: re.compile(rb"[0-9]{14}Z")}

_VALIDITY: Final = 3
"""Its place in a TBSCertificate (RFC 5280 4.1) after the optional version: number, signature, issuer, it."""


def expires(der: bytes) -> datetime | None:
    """Return the last instant, UTC, of a certificate's validity (notAfter); None where it can't be read."""
    try:
        [certificate] = _values(der, _SEQUENCE)
        signed = next(_values(certificate, _SEQUENCE))
        fields = [(tag, value) for tag, value in _elements(signed) if tag != _VERSION]
        _, validity = fields[_VALIDITY]
        [_, (tag, text)] = _elements(validity)
        return _instant(tag, text)
    except (ValueError, LookupError, StopIteration):
        return None


def _instant(tag: int, text: bytes) -> datetime:
    """Return a time as RFC 5280 4.1.2.5 has it: years of two digits lie from 1950 to 2049."""
    if not _DIGITS[tag].fullmatch(text):
        raise ValueError("a time that is none")
    digits = text[:-1].decode("ascii")
    if tag == _UTC_TIME:
        digits = ("19" if digits[:2] >= "50" else "20") + digits
    return datetime.strptime(digits, "%Y%m%d%H%M%S").replace(tzinfo=UTC)


def _values(data: bytes, tag: int) -> Iterator[bytes]:
    """Yield the contents of elements, each of which must have that tag; only what is asked for is read."""
    for found, value in _elements(data):
        if found != tag:
            raise ValueError("another kind of element")
        yield value


def _elements(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield tag and content of the elements of DER (X.690 8.1), side by side. Raises ValueError."""
    at = 0
    while at < len(data):
        tag, size = data[at], _byte(data, at + 1)
        at += 2
        if size & 0x80:
            octets = size & 0x7F
            if not 1 <= octets <= 4:
                raise ValueError("a length that no certificate has")
            size = int.from_bytes(data[at : at + octets])
            at += octets
        if at + size > len(data):
            raise ValueError("an element that is cut off")
        yield tag, data[at : at + size]
        at += size


def _byte(data: bytes, at: int) -> int:
    if at >= len(data):
        raise ValueError("an element that is cut off")
    return data[at]
