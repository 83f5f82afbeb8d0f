"""A topology as text: who replicates from whom, how far behind, and what is wrong."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from rich.cells import cell_len

from dialtone.cli.words import folded, printable
from dialtone.model import (
    Check,
    CheckState,
    Impact,
    Link,
    Member,
    Role,
    TopologyKind,
    TopologyState,
)

WIDTH: Final = 80
_NAMED: Final = 5
"""Tenants that are named where a trouble costs them something."""
_WIDEST: Final = 24
"""Columns wider than this are not aligned: one long name would push all others out of the line."""
_UNNAMED: Final = ("", "default")
"""What a server's channel is called that has no name."""
_FIRST: Final = (Role.ACTIVE, Role.SOURCE)
"""Whom a drawing begins with where all replicate from each other."""


def draw(state: TopologyState) -> list[str]:
    """Return a topology in lines of at most 80 columns: a heading, its servers, then what is wrong.

    Under each server are those that replicate from it. What only the next poll can be sure of is `seen once`.
    """
    lines = list(_heading(state))
    lines += _servers(state)
    suspects = [check for check in state.checks if check.state is CheckState.SUSPECT]
    for check in (*state.troubles, *suspects):
        lines += _trouble(check)
    if state.impact is not Impact.NONE and state.tenants:
        lines += _tenants(state.tenants)
    return lines


def _heading(state: TopologyState) -> Iterator[str]:
    words = [str(state.topology.kind), _verdict(state)]
    if state.topology.kind is not TopologyKind.STANDALONE or state.tenants:
        words.append(_count(len(state.tenants), "tenant"))
    return folded(state.topology.name, words, width=WIDTH, indent="  ")


def _verdict(state: TopologyState) -> str:
    if state.impact is not Impact.NONE:
        return state.impact.upper()
    if state.troubles:
        return "not felt"
    if any(check.state is CheckState.SUSPECT for check in state.checks):
        return "uncertain"
    if not any(member.up for member in state.members):
        return "unknown"
    # Of what is not known there is no trouble either.
    known = all(member.up and member.channels_known for member in state.members)
    return "fine" if known else "unknown in part"


def _count(number: int, word: str) -> str:
    return f"{number:,} {word}{'' if number == 1 else 's'}" if number else f"no {word}s"


def _servers(state: TopologyState) -> Iterator[str]:
    """Yield each server with the links from it: strangers first, then sources before their replicas."""
    members = {member.node: member for member in state.members}
    below: dict[str, list[Link]] = {}
    strangers: dict[str, list[Link]] = {}
    for link in state.links:
        if link.source in members and link.source is not None:
            below.setdefault(link.source, []).append(link)
        else:
            strangers.setdefault(printable(link.address) or "somewhere", []).append(link)
    for address, links in strangers.items():
        yield from folded("  ", [address, "not one of these nodes"], width=WIDTH, indent="      ")
        yield from _links(links)
    ordered = [members[name] for name in _ordered(members, below)]
    for member, line in zip(ordered, _aligned([_facts(member) for member in ordered]), strict=True):
        yield from line
        yield from _links(below.get(member.node, ()))


def _ordered(members: Mapping[str, Member], below: Mapping[str, Sequence[Link]]) -> list[str]:
    """Return the servers so that whoever replicates comes after its source, as far as that is possible."""
    waiting = list(members)
    sources: dict[str, set[str]] = {name: set() for name in members}
    for source, links in below.items():
        for link in links:
            if link.replica in members and link.replica != source:
                sources[link.replica].add(source)
    found = []
    while waiting:
        left = frozenset(waiting)
        name = min(
            waiting, key=lambda one: (not left.isdisjoint(sources[one]), members[one].role not in _FIRST)
        )
        waiting.remove(name)
        found.append(name)
    return found


def _facts(member: Member) -> list[str]:
    """Return what is known of a server, one text a column."""
    role = "" if member.role is Role.UNKNOWN else str(member.role)
    if not member.up:
        return [member.node, "DOWN", role]
    writes = {True: "writable", False: "read-only", None: ""}[member.writable]
    # Zero has no sign: -0.0 is 0.0 when 0.0 is added.
    clock = "" if member.clock_offset is None else f"clock {round(member.clock_offset, 3) + 0.0:+.3f} s"
    unread = "" if member.channels_known else "channels unread"
    return [member.node, role, writes, printable(member.status), _version(member.version), clock, unread]


def _version(version: str) -> str:
    """Return the part of a version that tells servers apart: 10.11.19-MariaDB of 10.11.19-MariaDB-log."""
    return printable("-".join(version.split("-")[:2]))


def _aligned(rows: Sequence[Sequence[str]]) -> Iterator[Iterator[str]]:
    """Yield the lines of each row; columns stand below each other where all of them fit into a line."""
    columns = max((len(row) for row in rows), default=0)
    filled = [[*row, *[""] * (columns - len(row))] for row in rows]
    used = [column for column in zip(*filled, strict=True) if any(column)]
    widths = [max(map(cell_len, column)) for column in used]
    fits = 2 + sum(widths) + 2 * (len(widths) - 1) <= WIDTH and max(widths, default=0) <= _WIDEST
    for row in zip(*used, strict=True):
        if fits:
            cells = (text + " " * (width - cell_len(text)) for text, width in zip(row, widths, strict=True))
            yield iter([("  " + "  ".join(cells)).rstrip()])
        else:
            yield folded(f"  {row[0]}", filter(None, row[1:]), width=WIDTH, indent="      ")


def _links(links: Iterable[Link]) -> Iterator[str]:
    every = list(links)
    for number, link in enumerate(every):
        last = number == len(every) - 1
        begin = "    └─> " if last else "    ├─> "
        indent = " " * 12 if last else "    │" + " " * 7
        yield from folded(begin, _link(link), width=WIDTH, indent=indent)


def _link(link: Link) -> Iterator[str]:
    yield link.replica
    if link.channel not in _UNNAMED:
        yield f"channel {printable(link.channel)}"
    yield f"I/O {'yes' if link.io_running else 'NO'}"
    yield f"SQL {'yes' if link.sql_running else 'NO'}"
    if link.lag is None:
        yield "lag unknown"
    else:
        yield f"lag {_seconds(link.lag)} by {'heartbeat' if link.measured else 'status'}"
    if link.delay:
        yield f"meant delay {_seconds(link.delay)}"
    if link.gap is not None:
        yield f"gap {link.gap:,}"


def _seconds(value: float) -> str:
    return f"{value:.1f} s" if value < 100 else f"{value:,.0f} s"


def _trouble(check: Check) -> Iterator[str]:
    place = check.node or ""
    if check.channel is not None and check.channel not in _UNNAMED:
        place = f"{place}/{printable(check.channel)}"
    felt = "" if check.impact is Impact.NONE else str(check.impact)
    how = "seen once" if check.state is CheckState.SUSPECT else felt
    heads = [head for head in (str(check.trouble), place, how) if head]
    first = "  " + "  ".join(heads[:-1]) + ("  " if heads[:-1] else "") + heads[-1]
    if cell_len(first) > WIDTH // 2:
        yield from folded("  ", heads, width=WIDTH, indent="      ")
        first = "    "
    if check.detail:
        yield from folded(
            f"{first}  ", printable(check.detail).split(), width=WIDTH, indent="      ", gap=" "
        )
    elif first.strip():
        yield first


def _tenants(domains: Sequence[str]) -> Iterator[str]:
    named = [f"{domain}," for domain in domains[:_NAMED]]
    more = len(domains) - len(named)
    named[-1] = named[-1].removesuffix(",")
    words = [*named, f"and {more:,} more"] if more else named
    return folded("  tenants  ", words, width=WIDTH, indent="      ", gap=" ")
