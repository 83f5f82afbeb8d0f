"""What a stage is to be: its servers, who follows whom, where the hearts beat. Pure, no server needed."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Final

from dialtone.model import TopologyKind
from lab.base import LabError
from lab.mysql.flavour import Flavour

NET_TIMEOUT: Final = 8
"""Seconds of silence until a replica doubts its link (replica_net_timeout); the servers' default is 60."""

BEAT: Final = 0.5
"""Seconds between two beats of a heart."""


@dataclass(frozen=True, slots=True)
class Seat:
    """A server to be. `number` is its server_id, `options` are added to its command line.

    `domain` is its GTID domain (MariaDB): servers that are written to at the same time need one each.
    """

    name: str
    number: int
    read_only: bool = False
    domain: int = 0
    options: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Following:
    """A channel to be: `replica` follows `source`. `delay` is meant, in seconds; `channel` is "" for the
    unnamed one.
    """

    replica: str
    source: str
    channel: str = ""
    delay: int = 0

    @property
    def name(self) -> str:
        """What its link is called: replica-source."""
        return f"{self.replica}-{self.source}"


@dataclass(frozen=True, slots=True)
class Wishes:
    """What every kind of stage can be asked for.

    `first` is the first server's server_id, `beat` the seconds between two beats of a heart, `net_timeout`
    the seconds of silence until a replica doubts its link, `workers` are the threads that apply in parallel
    (0: the server's own default), `options` go to every server. With `clocks` the clocks of the machine's
    own MariaDB can be set wrong (Debian's libfaketime; the others heed it not at all, or only at times).
    """

    flavour: Flavour = Flavour.MARIADB
    first: int = 1
    beat: float = BEAT
    net_timeout: int = NET_TIMEOUT
    semi_sync: bool = False
    workers: int = 0
    clocks: bool = False
    options: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.clocks and self.flavour is not Flavour.MARIADB:
            raise LabError(f"the clock of {self.flavour} can't be set: take {Flavour.MARIADB}")


@dataclass(frozen=True, slots=True)
class Plan:
    """A topology to be. `hearts` are the servers whose heart beats from the start."""

    name: str
    kind: TopologyKind
    wishes: Wishes
    seats: tuple[Seat, ...]
    followings: tuple[Following, ...] = ()
    hearts: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        names = {seat.name for seat in self.seats}
        if len(names) < len(self.seats):
            raise LabError(f"{self.name}: a name twice among {', '.join(seat.name for seat in self.seats)}")
        named = {*self.hearts, *(end for f in self.followings for end in (f.replica, f.source))}
        if unknown := sorted(named - names):
            raise LabError(f"{self.name} has no server {', '.join(unknown)}")


_USUAL: Final = Wishes()


def primary_replica(
    names: Sequence[str] = ("db1", "db2"),
    wishes: Wishes = _USUAL,
    *,
    delay: int = 0,
    name: str = "main",
) -> Plan:
    """Plan a primary and its replicas, that are read_only and `delay` seconds late on purpose."""
    first, *others = names
    seats = _seats(names, wishes, read_only=others)
    followings = tuple(Following(other, first, delay=delay) for other in others)
    return Plan(name, TopologyKind.PRIMARY_REPLICA, wishes, seats, followings, (first,))


def chain(
    names: Sequence[str] = ("db1", "db2", "db3"), wishes: Wishes = _USUAL, *, name: str = "main"
) -> Plan:
    """Plan a primary whose replica has a replica, and so on."""
    seats = _seats(names, wishes, read_only=names[1:])
    followings = tuple(Following(replica, source) for source, replica in pairwise(names))
    return Plan(name, TopologyKind.PRIMARY_REPLICA, wishes, seats, followings, (names[0],))


def multi_source(
    sources: Sequence[str] = ("east", "west"),
    replica: str = "hub",
    wishes: Wishes = _USUAL,
    *,
    name: str = "main",
) -> Plan:
    """Plan a replica of several primaries, by a channel each that has its source's name."""
    seats = tuple(
        replace(seat, domain=seat.number)
        for seat in _seats((*sources, replica), wishes, read_only=(replica,))
    )
    followings = tuple(Following(replica, source, channel=source) for source in sources)
    return Plan(name, TopologyKind.PRIMARY_REPLICA, wishes, seats, followings, tuple(sources))


def active_passive(
    names: Sequence[str] = ("db1", "db2"), wishes: Wishes = _USUAL, *, name: str = "main"
) -> Plan:
    """Plan two servers that follow each other, of which the first is written to."""
    return _pair(name, TopologyKind.ACTIVE_PASSIVE, names, wishes, names[:1])


def multi_primary(
    names: Sequence[str] = ("db1", "db2"),
    wishes: Wishes = _USUAL,
    *,
    increment: int = 2,
    offsets: Sequence[int] = (1, 2),
    name: str = "main",
) -> Plan:
    """Plan two servers that follow each other and are both written to.

    `increment` and `offsets` are their auto_increment settings.
    """
    plan = _pair(name, TopologyKind.MULTI_PRIMARY, names, wishes, names)
    seats = tuple(
        replace(
            seat,
            read_only=False,
            domain=seat.number,
            options=(
                *seat.options,
                f"--auto-increment-increment={increment}",
                f"--auto-increment-offset={offset}",
            ),
        )
        for seat, offset in zip(plan.seats, offsets, strict=True)
    )
    return replace(plan, seats=seats)


def galera(
    names: Sequence[str] = ("g1", "g2", "g3"), wishes: Wishes = _USUAL, *, name: str = "galera"
) -> Plan:
    """Plan a Galera cluster of the machine's MariaDB; the first one is bootstrapped."""
    if wishes.flavour is not Flavour.MARIADB:
        raise LabError("the lab's Galera cluster is of the machine's own MariaDB")
    seats = _seats(names, wishes, read_only=())
    return Plan(name, TopologyKind.GALERA, wishes, seats, (), (names[0],))


def _pair(name: str, kind: TopologyKind, names: Sequence[str], wishes: Wishes, hearts: Sequence[str]) -> Plan:
    one, other = names
    seats = _seats(names, wishes, read_only=(other,))
    return Plan(name, kind, wishes, seats, (Following(other, one), Following(one, other)), tuple(hearts))


def _seats(names: Sequence[str], wishes: Wishes, *, read_only: Sequence[str]) -> tuple[Seat, ...]:
    return tuple(
        Seat(name, wishes.first + place, read_only=name in read_only, options=wishes.options)
        for place, name in enumerate(names)
    )
