"""What is held of calls that are followed, and of their legs; see tracker.py."""

from dataclasses import dataclass

from collectors.asterisk.parse import Channel


@dataclass(slots=True, eq=False)
class Call:
    """All legs of one Linkedid. `tenant` is whom it was counted for, None as long as it wasn't.

    `owner` is the tenant that its legs tell of, "" for none so far; `own` says how many outer legs tell of
    which, `bare` how many of none; `parties` are the tenants for which it is alive now. `told` is whether an
    event has told of a leg, or none could have; `round` is the first list that has had it, from 1.
    """

    linked_id: str
    own: dict[str, int]
    parties: frozenset[str] = frozenset()
    legs: int = 0
    outer: int = 0
    bare: int = 0
    had_outer: bool = False
    owner: str = ""
    tenant: str | None = None
    answered: bool = False
    answered_at: float | None = None
    left_at: float | None = None
    first_cause: str | None = None
    last_cause: str = ""
    joined: bool = False
    told: bool = False
    round: int = 0


@dataclass(slots=True, eq=False)
class Leg:
    """One channel. `patience` is how many snapshots may lack it until it is taken for ended.

    `epoch` is the connection by which it was last heard of, `told` whether an event has ever told of it,
    `lag` whether a snapshot has had it Up, which no event may have said yet; `left` are Linkedids that it has
    had. `awaited` is the connection by which its Newchannel may yet come, that a list was faster than.
    `settled` is the channel, as it was listed, that has told all that there is to be told of it.
    """

    unique_id: str
    call: Call
    internal: bool
    epoch: int
    patience: int
    born: float
    told: bool
    code: str = ""
    domain: str = ""
    up: bool = False
    lag: bool = False
    ringing: float | None = None
    left: tuple[str, ...] = ()
    awaited: int | None = None
    settled: Channel | None = None
