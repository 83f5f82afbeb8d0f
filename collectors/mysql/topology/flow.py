"""What a Galera cluster's counters say from one reading to the next: flow control, and lost transactions.

A node whose queue of received transactions grows too long asks all others to wait: then nobody can commit.
wsrep_flow_control_paused is a share since the last FLUSH STATUS, so it takes paused_ns of two readings;
_sent and _requested tell who asked (Galera documentation, "Managing Flow Control").
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from collectors.mysql.fleet import NodeView
from collectors.mysql.snapshot import Galera
from collectors.mysql.topology.seen import Seen, Views
from dialtone.model import Impact, Trouble, has_restarted

MOST_PAUSED: Final = 0.1
"""Share of the time that the cluster may stand still for one of its nodes."""
MOST_FAILURES: Final = 1.0
"""Transactions a second that may be lost to conflicts with other nodes."""


@dataclass(frozen=True, slots=True)
class _Pair:
    """Two readings of a node by one run of its server, `seconds` apart."""

    before: Galera
    now: Galera
    seconds: float

    @property
    def paused(self) -> float:
        return min((self.now.paused - self.before.paused) / self.seconds, 1.0)

    @property
    def sent(self) -> int:
        return self.now.pauses_sent - self.before.pauses_sent

    @property
    def holds(self) -> bool:
        """Whether it asked the others to wait in both readings: for long, by all that one can see."""
        return self.before.pause_requested and self.now.pause_requested

    @property
    def asked(self) -> bool:
        return self.sent > 0 or self.before.pause_requested or self.now.pause_requested

    @property
    def lost(self) -> float:
        """Transactions a second that certification or a brute force abort undid."""
        return (_lost(self.now) - _lost(self.before)) / self.seconds


def flow_checks(views: Views) -> Iterator[Seen]:
    """Look at the nodes with two readings of one run of their server; of others nothing is known."""
    pairs = {name: pair for name, view in views.items() if (pair := _pair(view))}
    if not pairs:
        return
    share = max(pair.paused for pair in pairs.values())
    bad = share > MOST_PAUSED or any(pair.holds for pair in pairs.values())
    culprit = _culprit(pairs) if bad else None
    for name, pair in pairs.items():
        yield _flow(name, share, pair) if name == culprit else _no_flow(name, pair.paused)
    if bad and culprit is None:
        yield _flow(None, share, None)
    else:
        yield _no_flow(None, share)
    for name, pair in pairs.items():
        yield _failures(name, pair.lost)


def _pair(view: NodeView) -> _Pair | None:
    now, before = view.now, view.before
    if now is None or before is None or now.galera is None or before.galera is None:
        return None
    seconds = now.taken - before.taken
    then, since = before.server.uptime, now.server.uptime
    restarted = then is not None and since is not None and has_restarted(then, since, seconds)
    if seconds <= 0 or restarted or _fell(before.galera, now.galera):
        return None
    return _Pair(before.galera, now.galera, seconds)


def _fell(before: Galera, now: Galera) -> bool:
    """Return whether a counter is lower than it was: FLUSH STATUS, or a restart."""
    return (
        now.paused < before.paused
        or now.pauses_sent < before.pauses_sent
        or now.certification_failures < before.certification_failures
        or now.brute_force_aborts < before.brute_force_aborts
    )


def _lost(galera: Galera) -> int:
    return galera.certification_failures + galera.brute_force_aborts


def _culprit(pairs: Mapping[str, _Pair]) -> str | None:
    """Return the node for which the others wait: it asked for it, or else its queue is the longest."""

    def guilt(name: str) -> tuple[bool, bool, int, int]:
        pair = pairs[name]
        return pair.asked, pair.now.pause_requested, pair.sent, pair.now.receive_queue

    worst = max(pairs, key=guilt)
    return worst if pairs[worst].asked or pairs[worst].now.receive_queue > 0 else None


def _flow(node: str | None, share: float, pair: _Pair | None) -> Seen:
    still = f"commits stood still {share:.0%} of the time"
    if pair is None:
        detail = f"{still}; none of the nodes that answer asked for it"
    else:
        asked = "asked for it" if pair.asked else "has the longest queue"
        detail = f"{still}: it {asked}, {pair.now.receive_queue} transactions wait here to be applied"
    return Seen(Trouble.FLOW_CONTROL, bad=True, node=node, value=share, detail=detail, impact=Impact.HURT)


def _no_flow(node: str | None, share: float) -> Seen:
    return Seen(Trouble.FLOW_CONTROL, bad=False, node=node, value=share, impact=Impact.HURT)


def _failures(name: str, lost: float) -> Seen:
    bad = lost > MOST_FAILURES
    return Seen(
        Trouble.CERTIFICATION_FAILURES,
        bad=bad,
        node=name,
        value=lost,
        detail=f"{lost:.1f} transactions a second lost to conflicts with other nodes" if bad else "",
        lasts=True,
    )
