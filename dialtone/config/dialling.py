"""What calls are made of, as a configuration writes it: numbers, headers, statuses.

As in values.py, each function raises ValueError with words for a person.
"""
# ruff: noqa: TRY004 - pydantic reports ValueError; a TypeError would end the validation

import re
from typing import Final

from dialtone.config.problem import quote
from dialtone.config.values import kind_of, text

_NUMBER: Final = re.compile(r"(?:[A-Za-z0-9_.!~*'()&=+$,;?/-]|%[0-9A-Fa-f]{2}){1,64}")
"""The user part of a SIP URI (RFC 3261 25.1)."""
_HEADER: Final = re.compile(r"[A-Za-z0-9.!%*_+`'~-]{2,64}")
"""A header's name (token, RFC 3261 25.1); those of one letter are compact forms of headers of our own."""
_OUR_HEADERS: Final = frozenset({
    "accept", "allow", "authorization", "call-id", "contact", "content-encoding", "content-length",
    "content-type", "cseq", "event", "expires", "from", "max-forwards", "proxy-authorization",
    "proxy-require", "record-route", "refer-to", "referred-by", "replaces", "require", "route", "sip-etag",
    "sip-if-match", "subscription-state", "supported", "to", "via", "x-dialtone-probe",
})  # fmt: skip
_MOST_HEADERS: Final = 20


def number(raw: object) -> str:
    """Return what is dialled: the user part of a SIP URI."""
    found = text(raw)
    if not _NUMBER.fullmatch(found):
        raise ValueError(
            f"{quote(found)} can't be dialled; use digits, letters and - _ . ! ~ * ' ( ) & = + $ , ; ? /, "
            "at most 64, others as %HH (# is %23)"
        )
    return found


def dial(raw: object) -> str:
    """Return how a phone of ours is dialled, with {user} once where its user goes: 9{user}."""
    found = text(raw)
    before, mark, after = found.partition("{user}")
    if not mark:
        raise ValueError(
            f"{quote(found)} dials none of our phones; write {{user}} where the phone's user goes, "
            "like 9{user}"
        )
    if before + after and not _NUMBER.fullmatch(before + after):
        raise ValueError(f"{quote(found)} can't be dialled; write digits around {{user}}, like 9{{user}}")
    return found


def headers(raw: object) -> tuple[tuple[str, str], ...]:
    """Return SIP headers of the operator's own, by name; those that every request has are refused."""
    if not isinstance(raw, dict):
        raise ValueError(f"must be a mapping of header names to text, not {kind_of(raw)}")
    if len(raw) > _MOST_HEADERS:
        raise ValueError(f"has {len(raw):,} headers; {_MOST_HEADERS} are the most")
    found: dict[str, tuple[str, str]] = {}
    for key, value in raw.items():
        if not _HEADER.fullmatch(key):
            raise ValueError(f"{quote(key)} can't be a header's name; use letters, digits and '-'")
        if key.lower() in _OUR_HEADERS:
            raise ValueError(f"the header {key} is the probe's own; take it out")
        if key.lower() in found:
            raise ValueError(f"the header {key} stands twice; upper and lower case are the same")
        try:
            found[key.lower()] = key, text(value)
        except ValueError as error:
            raise ValueError(f"the header {key} {error}") from None
    return tuple(found.values())


def statuses(raw: object) -> tuple[int, ...]:
    """Return final statuses of SIP or HTTP: a list of numbers from 200 to 699."""
    if not isinstance(raw, list) or not raw:
        raise ValueError("must be a list of statuses, like [200, 404]")
    found: dict[int, None] = {}
    for item in raw:
        if isinstance(item, bool) or not isinstance(item, int) or not 200 <= item <= 699:
            shown = quote(item) if isinstance(item, str | int | float) else kind_of(item)
            raise ValueError(f"{shown} is no final status; write numbers from 200 to 699")
        if item in found:
            raise ValueError(f"names {item} twice")
        found[item] = None
    return tuple(found)
