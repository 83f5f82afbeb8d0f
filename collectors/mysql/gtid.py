"""Global transaction identifiers: which transactions a server has, and another lacks; pure.

MySQL writes sets, `uuid:1-10:12,uuid:tag:1-3`, tags since 8.3 (MySQL 8.4 Reference Manual, "GTID Format and
Storage"). MariaDB writes positions, `0-1-9,1-2-5`: the last domain-server-sequence of each domain (MariaDB
KB, "Global Transaction ID"); numbers within a domain rise by one, so that a difference is a count.
"""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Final, TypeAlias

MOST: Final = 64 * 1024
"""Longest text that is read; a set of a thousand gaps has some 12 KiB."""

Intervals: TypeAlias = tuple[tuple[int, int], ...]
"""First and last of each run, rising, with a gap between any two."""

GtidSet: TypeAlias = Mapping[str, Intervals]
"""Transactions by who made them: `uuid` or `uuid:tag` of MySQL, `domain` of MariaDB."""

_SHORT: Final = 1024
"""Longest text of a usual server: many of these are kept, and few of the others, for the memory they take."""

_SOURCES: Final = 4096
_RUNS: Final = 4096
_UUID: Final = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_RUN: Final = re.compile(r"([0-9]{1,19})(?:-([0-9]{1,19}))?")
_TAG: Final = re.compile(r"[a-z_][a-z0-9_]{0,31}")
_POSITION: Final = re.compile(r"([0-9]{1,10})-([0-9]{1,10})-([0-9]{1,20})")


def parse(text: str) -> GtidSet | None:
    """Return the transactions that a set or position stands for; None for what is neither, or too long.

    Results are kept, of texts up to MOST characters: of 50 servers each is needed again in the same round.
    """
    if len(text) > MOST:
        return None
    return _short(text) if len(text) <= _SHORT else _long(text)


def _read(text: str) -> GtidSet | None:
    parts = [part for written in text.lower().split(",") if (part := written.strip())]
    if len(parts) > _SOURCES:
        return None
    if not parts or _UUID.match(parts[0]):
        return _set(parts)
    return _position(parts)


_short: Final = lru_cache(maxsize=512)(_read)
_long: Final = lru_cache(maxsize=32)(_read)


def count(transactions: GtidSet) -> int:
    """Return how many there are."""
    return sum(last - first + 1 for runs in transactions.values() for first, last in runs)


def minus(wanted: GtidSet, have: GtidSet) -> GtidSet:
    """Return those of `wanted` that `have` lacks."""
    left = {who: tuple(_without(runs, have.get(who, ()))) for who, runs in wanted.items()}
    return {who: runs for who, runs in left.items() if runs}


def missing(have: str, wanted: str) -> int | None:
    """Return how many transactions of `wanted` are not in `have`; None where either can't be read."""
    if have == wanted:
        return 0
    mine, theirs = parse(have), parse(wanted)
    return None if mine is None or theirs is None else count(minus(theirs, mine))


def errant(replica: str, sources: Iterable[str], apart: Collection[str] = ()) -> int | None:
    """Return how many transactions a MySQL replica has that none of its sources has; None where unreadable.

    `apart` are the UUIDs of servers whose transactions don't count: a source that went on between the two
    readings is no proof of anything. MariaDB's positions say too little for this: None.
    """
    extra = parse(replica)
    if extra is None or not all(_UUID.match(who) for who in extra):
        return None
    for source in sources:
        theirs = parse(source)
        if theirs is None:
            return None
        extra = minus(extra, theirs)
    known = {uuid.lower() for uuid in apart}
    return count({who: runs for who, runs in extra.items() if who.partition(":")[0] not in known})


def joined(*positions: str) -> str:
    """Return MariaDB positions as one, the furthest of each domain; what is none of them is left out."""
    furthest: dict[int, tuple[int, str]] = {}
    for position in positions:
        for part in position[:MOST].split(",")[:_SOURCES]:
            if match := _POSITION.fullmatch(part.strip()):
                at = (int(match[3]), match[0])
                furthest[int(match[1])] = max(at, furthest.get(int(match[1]), at))
    return ",".join(text for _, (_, text) in sorted(furthest.items()))


def _set(parts: Sequence[str]) -> GtidSet | None:
    found: dict[str, list[tuple[int, int]]] = {}
    runs = 0
    for part in parts:
        uuid, *pieces = (piece.strip() for piece in part.split(":"))
        if not _UUID.fullmatch(uuid):
            return None
        who = uuid
        for piece in pieces:
            if _TAG.fullmatch(piece):
                who = f"{uuid}:{piece}"
                continue
            match = _RUN.fullmatch(piece)
            runs += 1
            if match is None or runs > _RUNS:
                return None
            first = int(match[1])
            found.setdefault(who, []).append((first, int(match[2] or first)))
    return {who: tuple(_merged(runs)) for who, runs in found.items()}


def _position(parts: Sequence[str]) -> GtidSet | None:
    furthest: dict[str, int] = {}
    for part in parts:
        match = _POSITION.fullmatch(part)
        if match is None:
            return None
        domain = str(int(match[1]))
        furthest[domain] = max(int(match[3]), furthest.get(domain, 0))
    return {domain: ((1, last),) for domain, last in furthest.items() if last}


def _merged(runs: Iterable[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    begun: tuple[int, int] | None = None
    for first, last in sorted(run for run in runs if run[0] <= run[1]):
        if begun and first <= begun[1] + 1:
            begun = (begun[0], max(begun[1], last))
        else:
            if begun:
                yield begun
            begun = (first, last)
    if begun:
        yield begun


def _without(runs: Intervals, taken: Intervals) -> Iterator[tuple[int, int]]:
    """Yield what is left of runs: both rise, so that one walk is enough."""
    skipped = 0
    for first, last in runs:
        start = first
        while skipped < len(taken) and taken[skipped][1] < start:
            skipped += 1
        place = skipped
        while place < len(taken) and taken[place][0] <= last:
            if start < taken[place][0]:
                yield start, taken[place][0] - 1
            start = taken[place][1] + 1
            place += 1
        if start <= last:
            yield start, last
