"""Whose a channel, a queue, a mailbox is; pure."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Final

from collectors.asterisk.parse import MAX_NAME, Channel
from dialtone.model import UNKNOWN_TENANT
from dialtone.ports import TenantLookup

_SERIAL: Final = re.compile(r"(?:0x)?[0-9A-Fa-f]{1,16}(?:;[12])?(?:<(?:MASQ|ZOMBIE)>)?")
"""What a driver puts after the last dash of a channel's name: %08x (PJSIP, SIP, SCCP, Local), %d (IAX2,
DAHDI, Skinny), %p (UNIStim); the half of a Local channel; a mark while one takes another's place."""
_UNIQUE_ID: Final = re.compile(r"([0-9]{1,15})\.([0-9]{1,15})$")
_LONGEST: Final = 255
"""Characters of a name that is looked up as it is; a domain has at most 253."""
_MOST_PLACES: Final = 10
"""Of a name in which the tenant may both begin and end at several places, that many of each are tried."""
_REMEMBERED: Final = 8192


@dataclass(frozen=True, slots=True)
class NamePattern:
    """How names tell a tenant: `before` and `after` are what stands around it, literal texts between `*`."""

    before: tuple[str, ...]
    after: tuple[str, ...]

    def tenants(self, name: str) -> Iterator[str]:
        """Yield the texts of a name that may be its tenant, the longest first."""
        starts, ends = self._starts(name), self._ends(name)
        if len(starts) > 1 and len(ends) > 1:
            starts, ends = starts[:_MOST_PLACES], ends[-_MOST_PLACES:]
        places = ((start - end, start, end) for start in starts for end in ends if start < end)
        for _, start, end in sorted(places):
            yield name[start:end]

    def _starts(self, name: str) -> list[int]:
        """Return where in the name the tenant may begin, in order."""
        first, *others = self.before
        if not name.startswith(first):
            return []
        at = len(first)
        if not others:
            return [at]
        *between, last = others
        for text in between:
            if (found := name.find(text, at)) < 0:
                return []
            at = found + len(text)
        return [place for place in range(at + len(last), len(name)) if name.endswith(last, at, place)]

    def _ends(self, name: str) -> list[int]:
        """Return where in the name the tenant may end, in order."""
        *others, last = self.after
        if not name.endswith(last):
            return []
        at = len(name) - len(last)
        if not others:
            return [at]
        first, *between = others
        for text in reversed(between):
            if (at := name.rfind(text, 0, at)) < 0:
                return []
        return [place for place in range(1, at - len(first) + 1) if name.startswith(first, place, at)]


def read_patterns(text: str) -> tuple[NamePattern, ...]:
    """Return the patterns of a node's option `names`: a line each, {tenant} once in it."""
    patterns = []
    for line in text.splitlines():
        before, _, after = line.partition("{tenant}")
        patterns.append(NamePattern(tuple(before.split("*")), tuple(after.split("*"))))
    return tuple(patterns)


class Whose:
    """Says whose something of an Asterisk is, by the tenants as they are when it is asked.

    It may be asked from several threads.
    """

    def __init__(self, tenants: TenantLookup, patterns: Iterable[NamePattern] = ()) -> None:
        self._tenants = tenants
        self._patterns = tuple(patterns)
        self._answers = _Answers(tenants.fixed(), self._patterns)

    def channel(self, channel: Channel) -> str:
        """Return the tenant's domain that the channel itself tells of; "" where it tells of none.

        It is told by the account code, the Tenantid, the context, the name: the first that is a tenant's.
        """
        return self._now().channel(channel)

    def name(self, name: str) -> str:
        """Return the domain that the name of a queue, conference, endpoint ... stands for, "" for none.

        A name is an account code, a domain, a context, or else what the patterns make of it.
        """
        return self._now().name(name) if 0 < len(name) <= _LONGEST else ""

    def channels(self, channels: Iterable[Channel]) -> dict[str, str]:
        """Return the domain of each channel by its Uniqueid, `_unknown` for those of nobody.

        A leg that tells of no tenant itself is that of the leg that its call began with (whose Uniqueid is
        the call's Linkedid), or of the oldest other leg of its call that tells of one: Asterisk lists them in
        no order. Two calls that a transfer joins have one Linkedid from then on.
        """
        answers = self._now()
        legs = [(leg, answers.channel(leg)) for leg in channels]
        asked = {leg.linked_id for leg, own in legs if not own}
        tells: dict[str, tuple[tuple[bool, int, int, str], str]] = {}
        for leg, own in legs:
            if own and leg.linked_id in asked:
                told = _age(leg), own
                tells[leg.linked_id] = min(told, tells.get(leg.linked_id, told))
        return {
            leg.unique_id: own or (tells[leg.linked_id][1] if leg.linked_id in tells else UNKNOWN_TENANT)
            for leg, own in legs
        }

    def _now(self) -> "_Answers":
        tenants = self._tenants.fixed()
        answers = self._answers
        if answers.tenants is not tenants:
            answers = self._answers = _Answers(tenants, self._patterns)
        return answers


class _Answers:
    """Answers by one state of the tenants, remembered: thousands of events a second ask the same."""

    def __init__(self, tenants: TenantLookup, patterns: tuple[NamePattern, ...]) -> None:
        self.tenants = tenants
        remember = lru_cache(maxsize=_REMEMBERED)
        self._code = remember(partial(_by_code, tenants))
        self._context = remember(partial(_by_context, tenants))
        self._stem = remember(partial(_by_stem, tenants, patterns))
        self.name = remember(partial(_by_name, tenants, patterns))

    def channel(self, channel: Channel) -> str:
        return (
            self._code(channel.account_code)
            or self._code(channel.tenant_id)
            or self._context(channel.context)
            or self._stem(_stem(channel.name))
        )


def _age(leg: Channel) -> tuple[bool, int, int, str]:
    """Return what sorts the legs of a call: the one that it began with, then by Uniqueid.

    That is the second in which a channel was made and its number since the start, unless who originated the
    call has given it another.
    """
    match = _UNIQUE_ID.search(leg.unique_id)
    made, number = (int(match[1]), int(match[2])) if match else (10**15, 0)
    return leg.unique_id != leg.linked_id, made, number, leg.unique_id


def _stem(name: str) -> str:
    """Return a channel's name without its serial, "" for one that was cut: that may be anybody's."""
    if len(name) >= MAX_NAME:
        return ""
    stem, _, serial = name.rpartition("-")
    return stem if _SERIAL.fullmatch(serial) else name


def _by_code(tenants: TenantLookup, code: str) -> str:
    tenant = tenants.by_account_code(code) if code else None
    return tenant.domain if tenant else ""


def _by_context(tenants: TenantLookup, context: str) -> str:
    tenant = tenants.by_context(context) if context else None
    return tenant.domain if tenant else ""


def _by_stem(tenants: TenantLookup, patterns: tuple[NamePattern, ...], stem: str) -> str:
    driver, _, name = stem.partition("/")
    _, at, context = name.rpartition("@")
    if driver == "Local" and at and (domain := _by_context(tenants, context)):
        return domain
    return _by_pattern(tenants, patterns, name)


def _by_name(tenants: TenantLookup, patterns: tuple[NamePattern, ...], name: str) -> str:
    return _by_code(tenants, name) or _by_context(tenants, name) or _by_pattern(tenants, patterns, name)


def _by_pattern(tenants: TenantLookup, patterns: tuple[NamePattern, ...], name: str) -> str:
    if len(name) <= MAX_NAME:
        for pattern in patterns:
            for text in pattern.tenants(name):
                if domain := _by_code(tenants, text) or _by_context(tenants, text):
                    return domain
    return ""
