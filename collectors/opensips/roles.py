"""What modules of a server list of themselves, into frozen types; pure.

3.x and 4.x: JSON of their own; mi_json of 1.11 and 2.4: a tree, see shapes.py. A list that makes no sense, or
is endless, raises CollectError.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from collectors.opensips.destinations import Destination
from collectors.opensips.shapes import attributes, children, fields, listed, rows, text, whole

MOST: Final = 20_000
"""Pipes, nodes, tags or processes of one server that are read."""
_FEEDBACK: Final = "FEEDBACK"


@dataclass(frozen=True, slots=True)
class Pipe:
    """A pipe of ratelimit. `requests` are those of its last complete interval, those refused included.

    The interval is the module's timer_interval (10 s where the script sets none); rl_dec_count() may take
    `requests` below zero. `limit` is what the script gives: requests a second, with most algorithms.
    """

    name: str
    requests: int
    limit: int
    algorithm: str = ""


@dataclass(frozen=True, slots=True)
class Ratelimit:
    """The pipes of ratelimit, and the percentage of requests that those of the algorithm FEEDBACK drop.

    `drop` is None where no pipe has that algorithm: the module works it out all the same, to any number.
    """

    pipes: tuple[Pipe, ...] = ()
    drop: int | None = None


@dataclass(frozen=True, slots=True)
class Peer:
    """Another node of a cluster, and whether the link to it is up; one that is probed is not."""

    cluster: str
    name: str
    up: bool


@dataclass(frozen=True, slots=True)
class SharingTag:
    """A sharing tag of a cluster; one node of it has the tag active, the others have it as a backup."""

    cluster: str
    name: str
    active: bool


@dataclass(frozen=True, slots=True)
class Capability:
    """What a module shares over a cluster (dialog-dlg-repl: dialogs), and whether it is in sync."""

    cluster: str
    name: str
    synced: bool


@dataclass(frozen=True, slots=True)
class Roles:
    """What the modules list of themselves; None and nothing where a server lacks the module.

    `blocked` counts the addresses that pike blocks now. `processes` are roles by process number.
    """

    destinations: tuple[Destination, ...] = ()
    blocked: int | None = None
    ratelimit: Ratelimit | None = None
    peers: tuple[Peer, ...] = ()
    tags: tuple[SharingTag, ...] = ()
    capabilities: tuple[Capability, ...] = ()
    processes: Mapping[str, str] = field(default_factory=dict)


def parse_blocked(result: object) -> int:
    """Return how many addresses pike_list has. Raises CollectError."""
    return sum(1 for _ in listed(_addresses(result), 2**20, "addresses"))


def _addresses(result: object) -> Iterator[str]:
    if result is None:
        return  # mi_json: none is blocked
    found = fields(result)
    for row in rows(found["IPs"] if "IPs" in found else found[""]):
        yield text(row["value"] if isinstance(row, Mapping) else row)


def parse_ratelimit(result: object) -> Ratelimit:
    """Return the pipes of rl_list. Raises CollectError."""
    pipes: dict[str, Pipe] = {}
    drop = None
    for row in listed(_pipes(result), MOST, "pipes"):
        if isinstance(row, int):
            drop = row
        else:
            pipes.setdefault(row.name, row)
    if drop is not None and any(pipe.algorithm == _FEEDBACK for pipe in pipes.values()):
        return Ratelimit(tuple(pipes.values()), min(max(drop, 0), 100))
    return Ratelimit(tuple(pipes.values()))


def _pipes(result: object) -> Iterator[Pipe | int]:
    found = fields(result)
    for row in rows(found["Pipes"] if "Pipes" in found else found.get("PIPE", ())):
        said = attributes(row)
        if "id" in said:
            yield Pipe(
                text(said["id"]), whole(said["counter"]), whole(said["limit"]), text(said["algorithm"])
            )
        elif "drop_rate" in said:  # {} is a pipe that has not been used yet
            yield whole(said["drop_rate"])
    if "drop_rate" in found:
        yield whole(found["drop_rate"])


def parse_peers(result: object) -> tuple[Peer, ...]:
    """Return the other nodes of clusterer_list. Raises CollectError."""
    found = {(one.cluster, one.name): one for one in listed(_peers(result), MOST, "nodes")}
    return tuple(found.values())


def _peers(result: object) -> Iterator[Peer]:
    if result is None:
        return
    found = fields(result)
    if "Clusters" in found:
        for cluster in found["Clusters"]:
            for node in cluster["Nodes"]:
                yield _peer(cluster["cluster_id"], node["node_id"], node)
        return
    for cluster in rows(found.get("Cluster", ())):
        for node in children(cluster, "Node"):
            yield _peer(cluster["value"], node["value"], attributes(node))


def _peer(cluster: object, name: object, said: Mapping[str, Any]) -> Peer:
    state = text(said["link_state" if "link_state" in said else "Link_state"])  # Up, Probe or Down
    return Peer(text(cluster), text(name), state.strip() == "Up")


def parse_tags(result: object) -> tuple[SharingTag, ...]:
    """Return the sharing tags of clusterer_list_shtags, of 3.x and later. Raises CollectError."""
    found = {(one.cluster, one.name): one for one in listed(_tags(result), MOST, "sharing tags")}
    return tuple(found.values())


def _tags(result: object) -> Iterator[SharingTag]:
    for row in rows(() if result is None else result):
        said = attributes(row)
        yield SharingTag(text(said["Cluster"]), text(said["Tag"]), text(said["State"]) == "active")


def parse_capabilities(result: object) -> tuple[Capability, ...]:
    """Return what modules share, of clusterer_list_cap. Raises CollectError."""
    found = {(one.cluster, one.name): one for one in listed(_capabilities(result), MOST, "capabilities")}
    return tuple(found.values())


def _capabilities(result: object) -> Iterator[Capability]:
    if result is None:
        return
    found = fields(result)
    if "Clusters" in found:
        for cluster in found["Clusters"]:
            for row in cluster["Capabilities"]:
                yield Capability(text(cluster["cluster_id"]), text(row["name"]), text(row["state"]) == "Ok")
        return
    for cluster in rows(found.get("Cluster", ())):
        for row in children(cluster, "Capability"):
            synced = text(attributes(row)["State"]) == "Ok"
            yield Capability(text(cluster["value"]), text(row["value"]), synced)


def parse_processes(result: object) -> dict[str, str]:
    """Return what each process of ps is for, by its number: "SIP receiver udp:...". Raises CollectError."""
    return dict(listed(_processes(result), MOST, "processes"))


def _processes(result: object) -> Iterator[tuple[str, str]]:
    found = fields(result)
    for row in rows(found["Processes"] if "Processes" in found else found["Process"]):
        said = attributes(row)
        yield str(whole(said["ID"])), text(said["Type"]).strip()
