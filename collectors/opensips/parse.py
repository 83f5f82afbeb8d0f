"""MI replies into one frozen snapshot; pure, tested on recordings of 1.11, 2.4, 3.6 and 4.0."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from sys import intern
from typing import Final, TypeVar

from collectors.opensips.roles import Roles
from dialtone.model import CollectError, CollectFailure, Kind

_VERSION: Final = re.compile(r"\d+\.\d+(\.\d+)?[^\s)]*")
_UNDERFLOW: Final = 2**63
_MAX_NAME: Final = 256
MOST: Final = 50_000
"""Statistics of one server that are read: 2,000 tenants with 8 events and 3 series take 22,000."""
UNGROUPED: Final = "dynamic"
"""The group of all statistics of scripts before 2.x."""
SCRIPTS: Final = ("tenants", UNGROUPED)
"""The groups in which a script counts for tenants."""
_VALUELESS: Final = "WITHOUT VALUE"
"""What 1.11 and 2.4 write for a profile that has no values."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class OpensipsSnapshot:
    """One poll. `statistics` are by `group:name`; `calls` are live dialogs by the profile's value.

    `calls` is None where the server's script has no such profile; absent is not zero. `kinds` says which
    statistics are counters. `profiles` are live dialogs by profile and value of the script's other profiles.
    """

    version: str
    statistics: Mapping[str, float]
    calls: Mapping[str, int] | None
    roles: Roles = field(default_factory=Roles)
    kinds: Mapping[str, Kind] = field(default_factory=dict)
    profiles: Mapping[str, Mapping[str, int]] = field(default_factory=dict)


def first(statistics: dict[str, T]) -> dict[str, T]:
    """Return MOST of them, the first in the server's order, those that a script counts for tenants last.

    A server puts a new one behind the others of its group: what is left out is so at each poll.
    """
    if len(statistics) <= MOST:
        return statistics
    scripts = tuple(f"{group}:" for group in SCRIPTS)
    order = sorted(statistics, key=lambda name: name.startswith(scripts))
    return {name: statistics[name] for name in order[:MOST]}


def parse_statistics(result: object) -> dict[str, float]:
    """Return values by `group:name`. Numbers on 3.x and 4.x, numbers in strings before.

    Values at or over 2^63 are a counter that a script took below zero; they are left out, as is
    what is no finite number or has no group. Raises CollectError where the reply is no object.
    """
    if not isinstance(result, dict):
        raise CollectError(CollectFailure.PROTOCOL, "get_statistics: the result is no object")
    values: dict[str, float] = {}
    for name, raw in result.items():
        # Nearly all are whole numbers; there are many, and each call would cost.
        value = float(raw) if type(raw) is int and 0 <= raw < _UNDERFLOW else _number(raw)
        if value is not None and len(name) <= _MAX_NAME and ":" in name:
            values[name if name.isascii() else plain(name)] = value
    return values


def plain(text: str) -> str:
    """Return a text as UTF-8 can have it: JSON can name half a character, of which a page can show none."""
    return text.encode("utf-8", "replace").decode()


def parse_kinds(result: object) -> dict[str, Kind]:
    """Return whether each statistic of list_statistics, by `group:name`, is a counter or a gauge.

    The names are interned: all servers of a platform have the same. There are MOST of them. Raises
    CollectError where the reply is no object.
    """
    if not isinstance(result, dict):
        raise CollectError(CollectFailure.PROTOCOL, "list_statistics: the result is no object")
    return {
        intern(name): Kind.COUNTER if kind == "incremental" else Kind.GAUGE
        for name, kind in first(result).items()
        if len(name) <= _MAX_NAME
    }


def _number(raw: object) -> float | None:
    if type(raw) is int and 0 <= raw < _UNDERFLOW:  # nearly all of them
        return float(raw)
    if isinstance(raw, bool) or not isinstance(raw, int | float | str):
        return None
    try:
        value = float(raw)
    except (ValueError, OverflowError):
        return None
    return value if 0 <= value < _UNDERFLOW else None


def parse_profile_values(result: object) -> dict[str, int]:
    """Return live dialogs by value; the value None (a profile without values) counts under "".

    3.x and 4.x send a list of value and count; mi_json of 1.11 and 2.4 {"value": [{"value": text,
    "attributes": {"count": text}}, ...]}. Raises CollectError for anything else.
    """
    calls: dict[str, int] = {}
    if isinstance(result, dict):
        result = result.get("value")
    if not isinstance(result, list):
        raise CollectError(CollectFailure.PROTOCOL, "profile_get_values: the result is no list")
    for row in result:
        attributes = row.get("attributes", row) if isinstance(row, dict) else None
        if not isinstance(attributes, dict) or (count := _number(attributes.get("count"))) is None:
            raise CollectError(CollectFailure.PROTOCOL, "profile_get_values: a row has no count")
        value = row.get("value")
        key = plain(value) if isinstance(value, str) and value != _VALUELESS else ""
        calls[key] = calls.get(key, 0) + int(count)
    return calls


def parse_profiles(result: object) -> frozenset[str]:
    """Return the names of the dialog profiles.

    list_all_profiles is {"Profiles": [{"name": ..., "has value": ...}, ...]} from 3.x on, {name: "1"} in
    mi_json. Raises CollectError where the reply is neither.
    """
    rows = result.get("Profiles") if isinstance(result, dict) else None
    if isinstance(rows, list):
        return frozenset(str(row.get("name")) for row in rows if isinstance(row, dict))
    if not isinstance(result, dict):
        raise CollectError(CollectFailure.PROTOCOL, "list_all_profiles: the result is no object")
    return frozenset(map(str, result))


def parse_version(result: object) -> str:
    """Return the version out of {"Server": "OpenSIPS (3.6.8 (x86_64/linux))"}, or that text, cut short."""
    server = result.get("Server") if isinstance(result, dict) else None
    if not isinstance(server, str):
        raise CollectError(CollectFailure.PROTOCOL, "version: the result has no Server text")
    found = _VERSION.search(server)
    return found.group() if found else server[:60]
