"""Where OpenSIPS sends calls: destinations of load_balancer and dispatcher, gateways of drouting; pure.

3.x and 4.x name what they list; mi_json of 1.11 and 2.4 sends a tree of {"value": text, "attributes": {...},
"children": {...}}. Both end in the same Destination.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from dialtone.model import CollectError, CollectFailure

MOST: Final = 5000
"""Destinations of one module that are read."""
_MAX_TEXT: Final = 256
_UNREAL: Final = 2**53


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
    `default`; drouting has none. `hits` are the times that the dispatcher chose it first, None elsewhere.
    """

    module: str
    group: str
    name: str
    state: State
    loads: tuple[Load, ...] = ()
    hits: int | None = None


def parse_load_balancer(result: object) -> tuple[Destination, ...]:
    """Return the destinations of lb_list. Raises CollectError."""
    return _read(result, _load_balancer)


def parse_dispatcher(result: object) -> tuple[Destination, ...]:
    """Return the destinations of ds_list. Raises CollectError."""
    return _read(result, _dispatcher)


def parse_gateways(result: object) -> tuple[Destination, ...]:
    """Return the gateways of dr_gw_status. Raises CollectError."""
    return _read(result, _gateways)


def _read(
    result: object, read: Callable[[Mapping[str, Any]], Iterator[Destination]]
) -> tuple[Destination, ...]:
    if result is None:
        return ()  # an old server that has nothing to list
    found: dict[tuple[str, str], Destination] = {}
    try:
        for destination in read(_object(result)):
            found.setdefault((destination.group, destination.name), destination)
            if len(found) > MOST:
                raise CollectError(CollectFailure.TOO_LARGE, f"over {MOST} destinations")
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise CollectError(
            CollectFailure.PROTOCOL, f"the result is no list of destinations ({error!r:.60})"
        ) from None
    return tuple(found.values())


def _load_balancer(result: Mapping[str, Any]) -> Iterator[Destination]:
    if "Destinations" in result:
        for row in result["Destinations"]:
            loads = (
                Load(_text(r["name"]), _count(r["load"]), _count(r["max"])) for r in row.get("Resources", ())
            )
            yield _balanced(row["uri"], row, tuple(loads))
        return
    for row in _list(result.get("Destination", ())):
        resources = _object(_object(row.get("children", {})).get("Resources", {})).get("children", {})
        loads = (
            Load(_text(r["value"]), _count(r["attributes"]["load"]), _count(r["attributes"]["max"]))
            for r in _list(_object(resources).get("Resource", ()))
        )
        yield _balanced(row["value"], row["attributes"], tuple(loads))


def _balanced(uri: str, row: Mapping[str, Any], loads: tuple[Load, ...]) -> Destination:
    state = State.ACTIVE if row["enabled"] == "yes" else State.DISABLED
    once = tuple({load.resource: load for load in loads}.values())
    return Destination("load_balancer", _text(row["group"]), _text(uri), state, once)


def _dispatcher(result: Mapping[str, Any]) -> Iterator[Destination]:
    if "PARTITIONS" in result:
        for partition in result["PARTITIONS"]:
            for group in partition["SETS"]:
                for row in group.get("Destinations", ()):
                    yield _dispatched(partition["name"], group["id"], row["URI"], row)
        return
    partitions = _list(result.get("PARTITION", {"value": "default", "children": result}))
    for partition in partitions:
        for group in _list(_object(partition.get("children", {})).get("SET", ())):
            for row in _list(_object(group.get("children", {})).get("URI", ())):
                yield _dispatched(partition["value"], group["value"], row["value"], row["attributes"])


def _dispatched(partition: str, group: object, uri: str, row: Mapping[str, Any]) -> Destination:
    name = _text(group) if partition == "default" else f"{_text(partition)}/{_text(group)}"
    hits = row.get("first_hit_counter")
    return Destination(
        "dispatcher", name, _text(uri), _state(row["state"]), hits=None if hits is None else _count(hits)
    )


def _gateways(result: Mapping[str, Any]) -> Iterator[Destination]:
    if "Gateways" in result:
        for row in result["Gateways"]:
            yield Destination("drouting", "", _text(row["ID"]), _state(row["State"]))
        return
    for row in _list(result.get("ID", ())):
        yield Destination("drouting", "", _text(row["value"]), _state(row["attributes"]["State"]))


_STATES: Final = {
    "active": State.ACTIVE,
    "probing": State.PROBING,
    "inactive": State.INACTIVE,
    "disabled mi": State.DISABLED,
    "disabled": State.DISABLED,
}


def _state(said: str) -> State:
    return _STATES.get(said.lower(), State.OTHER)


def _text(value: object) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise TypeError(f"{value!r:.40} is no text")
    return str(value)[:_MAX_TEXT]


def _count(value: object) -> int:
    number = int(_text(value))
    if not 0 <= number < _UNREAL:
        raise ValueError(f"{_text(value):.40} is no count")
    return number


def _list(value: Any) -> list[Any]:
    """Return a list; mi_json writes one of one as the thing itself."""
    return [value] if isinstance(value, Mapping) else list(value)


def _object(value: object) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise TypeError(f"{value!r:.40} is no object")
    return value
