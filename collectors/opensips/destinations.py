"""Where OpenSIPS sends calls: destinations of load_balancer and dispatcher, gateways of drouting; pure.

3.x and 4.x name what they list; mi_json of 1.11 and 2.4 sends a tree of {"value": text, "attributes": {...},
"children": {...}}. Both end in the same Destination.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, Final

from collectors.opensips.shapes import attributes, children, count, fields, listed, rows, text

MOST: Final = 5000
"""Destinations of one module that are read."""
MOST_IN_ALL: Final = 10_000
"""Destinations of one server that are shown."""
MOST_RESOURCES: Final = 50
"""Resources of a load balancer's destination that are shown."""
MOST_PARTITIONS: Final = 50
_PARTITION: Final = re.compile(r"[A-Za-z0-9_.-]{1,64}")


class State(StrEnum):
    """What a server makes of a destination; it sends calls to active ones alone."""

    ACTIVE = "active"
    PROBING = "probing"
    INACTIVE = "inactive"
    DISABLED = "disabled"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Load:
    """The calls of one resource of a load balancer's destination; `most` is its capacity."""

    resource: str
    now: int
    most: int


@dataclass(frozen=True, slots=True)
class Destination:
    """One destination. `name` is its URI, of drouting the gateway's id.

    `group` is the load balancer's group, or the dispatcher's set, after its partition where that is not
    `default`, or drouting's partition, where it has any. `hits` are the times that the dispatcher chose it
    first, None elsewhere.
    """

    module: str
    group: str
    name: str
    state: State
    loads: tuple[Load, ...] = ()
    hits: int | None = None


def bounded(destinations: Sequence[Destination]) -> tuple[tuple[Destination, ...], str]:
    """Return the first of them, with the first of their resources, and words for what is left out, or ""."""
    kept, resources = [], 0
    for one in destinations[:MOST_IN_ALL]:
        over = len(one.loads) - MOST_RESOURCES
        resources += max(over, 0)
        kept.append(replace(one, loads=one.loads[:MOST_RESOURCES]) if over > 0 else one)
    words = []
    if more := len(destinations) - len(kept):
        words.append(f"{more} destinations are left out: over {MOST_IN_ALL}")
    if resources:
        words.append(f"{resources} resources are left out: over {MOST_RESOURCES} of a destination")
    return tuple(kept), "; ".join(words)


def parse_load_balancer(result: object) -> tuple[Destination, ...]:
    """Return the destinations of lb_list. Raises CollectError."""
    return _read(result, _load_balancer)


def parse_dispatcher(result: object) -> tuple[Destination, ...]:
    """Return the destinations of ds_list. Raises CollectError."""
    return _read(result, _dispatcher)


def parse_gateways(result: object, partition: str = "") -> tuple[Destination, ...]:
    """Return the gateways of dr_gw_status, of one partition where it has any. Raises CollectError."""
    return _read(result, lambda found: _gateways(found, partition))


def parse_partitions(result: object) -> tuple[str, ...]:
    """Return the names of drouting's partitions, of dr_reload_status. Raises CollectError."""
    return tuple(listed(_partitions(result), MOST_PARTITIONS, "partitions"))


def _partitions(result: object) -> Iterator[str]:
    for row in rows(fields(result)["Partitions"]):
        if _PARTITION.fullmatch(name := text(row["name"])):
            yield name


def _read(
    result: object, read: Callable[[Mapping[str, Any]], Iterator[Destination]]
) -> tuple[Destination, ...]:
    found: dict[tuple[str, str], Destination] = {}
    for destination in listed(_objects(result, read), MOST, "destinations"):
        found.setdefault((destination.group, destination.name), destination)
    return tuple(found.values())


def _objects(
    result: object, read: Callable[[Mapping[str, Any]], Iterator[Destination]]
) -> Iterator[Destination]:
    if result is not None:  # an old server that has nothing to list
        yield from read(fields(result))


def _load_balancer(result: Mapping[str, Any]) -> Iterator[Destination]:
    if "Destinations" in result:
        for row in result["Destinations"]:
            loads = (
                Load(text(r["name"]), count(r["load"]), count(r["max"])) for r in row.get("Resources", ())
            )
            yield _balanced(row["uri"], row, tuple(loads))
        return
    for row in rows(result.get("Destination", ())):
        resources = fields(fields(row.get("children", {})).get("Resources", {}))
        loads = (
            Load(text(r["value"]), count(r["attributes"]["load"]), count(r["attributes"]["max"]))
            for r in children(resources, "Resource")
        )
        yield _balanced(row["value"], row["attributes"], tuple(loads))


def _balanced(uri: str, row: Mapping[str, Any], loads: tuple[Load, ...]) -> Destination:
    state = State.ACTIVE if row["enabled"] == "yes" else State.DISABLED
    once = tuple({load.resource: load for load in loads}.values())
    return Destination("load_balancer", text(row["group"]), text(uri), state, once)


def _dispatcher(result: Mapping[str, Any]) -> Iterator[Destination]:
    if "PARTITIONS" in result:
        for partition in result["PARTITIONS"]:
            for group in partition["SETS"]:
                for row in group.get("Destinations", ()):
                    yield _dispatched(partition["name"], group["id"], row["URI"], row)
        return
    partitions = rows(result.get("PARTITION", {"value": "default", "children": result}))
    for partition in partitions:
        for group in children(partition, "SET"):
            for row in children(group, "URI"):
                yield _dispatched(partition["value"], group["value"], row["value"], row["attributes"])


def _dispatched(partition: str, group: object, uri: str, row: Mapping[str, Any]) -> Destination:
    name = text(group) if partition == "default" else f"{text(partition)}/{text(group)}"
    hits = row.get("first_hit_counter")
    return Destination(
        "dispatcher", name, text(uri), _state(row["state"]), hits=None if hits is None else count(hits)
    )


def _gateways(result: Mapping[str, Any], partition: str) -> Iterator[Destination]:
    for row in rows(result["Gateways"] if "Gateways" in result else result.get("ID", ())):
        said = attributes(row)
        name = text(row["ID" if "ID" in row else "value"])
        yield Destination("drouting", partition, name, _state(said["State"]))


_STATES: Final = {
    "active": State.ACTIVE,
    "probing": State.PROBING,
    "inactive": State.INACTIVE,
    "disabled mi": State.DISABLED,
    "disabled": State.DISABLED,
}


def _state(said: str) -> State:
    return _STATES.get(said.lower(), State.OTHER)
