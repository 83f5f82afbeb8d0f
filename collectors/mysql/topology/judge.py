"""Makes of what several servers say one state of their topology; remembers what must last to be believed."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from collectors.mysql.fleet import NodeView
from collectors.mysql.topology.channels import channel_checks
from collectors.mysql.topology.galera import galera_checks
from collectors.mysql.topology.links import channels_known, links, roles
from collectors.mysql.topology.nodes import node_checks
from collectors.mysql.topology.seen import Looks, Seen, Views
from collectors.mysql.topology.writers import writer_checks
from dialtone.model import (
    Check,
    CheckKey,
    CheckState,
    Link,
    Member,
    Role,
    Topology,
    TopologyKind,
    TopologyState,
    Trouble,
)

_LOOKS: Final[tuple[Looks, ...]] = (writer_checks, galera_checks, node_checks, channel_checks)
_ONE_WRITER: Final = frozenset({TopologyKind.ACTIVE_PASSIVE, TopologyKind.PRIMARY_REPLICA})


@dataclass(slots=True)
class _Suspicion:
    """How many polls of each server had ended when it was suspected, when the last of those was (seconds of
    our monotonic clock), and whether it has become certain.
    """

    polls: dict[str, int]
    since: float
    certain: bool = False

    def lasted(self, view: NodeView) -> bool:
        """Whether a server was polled again, and not in the same round of polls as it was suspected in.

        Rounds are told apart by half of the time between two polls of that server. So what is certain was
        so for that long by every server's own word; a planned switch that takes less never is. At most one
        poll of a server is passed over, none where all are polled together.
        """
        return view.polls > self.polls[view.name] and view.polled - self.since >= view.apart / 2


class TopologyJudge:
    """Judges one topology, again each time that something new is known of a member."""

    def __init__(self, topology: Topology) -> None:
        self._topology = topology
        self._suspicions: dict[CheckKey, _Suspicion] = {}
        self._writer: str | None = None
        self._switches = 0

    @property
    def writer(self) -> str | None:
        """The one server that could be written to when that was last certain; None where several may be."""
        return self._writer

    def judge(self, views: Views, tenants: Sequence[str], at: datetime) -> TopologyState:
        """Return the topology as it is by these readings, and by what was suspected before."""
        found = links(self._topology, views)
        checks = tuple(self._check(seen, views) for seen in self._seen(views, found))
        self._forget(checks, views)
        self._note_writer(views, checks)
        role = roles(self._topology, views, found)
        return TopologyState(
            self._topology,
            at,
            members=tuple(_member(view, role[name]) for name, view in views.items()),
            links=found,
            checks=checks,
            tenants=tuple(tenants),
            switches=self._switches,
        )

    def _seen(self, views: Views, found: Sequence[Link]) -> Iterator[Seen]:
        for look in _LOOKS:
            for seen in look(self._topology, views, found):
                # What a server that is down has said is not what it says.
                view = views.get(seen.node) if seen.node else None
                if view is None or view.now is not None or seen.trouble is Trouble.MEMBER_DOWN:
                    yield seen

    def _check(self, seen: Seen, views: Views) -> Check:
        return Check(
            seen.trouble,
            self._state((seen.trouble, seen.node, seen.channel), seen, views),
            seen.node,
            seen.channel,
            value=seen.value,
            detail=seen.detail,
            impact=seen.impact,
        )

    def _state(self, key: CheckKey, seen: Seen, views: Views) -> CheckState:
        if not seen.bad:
            return CheckState.FINE
        about = seen.about or ((seen.node,) if seen.node else tuple(views))
        nodes = [views[name] for name in about if name in views]
        since = max((view.polled for view in nodes), default=0.0)
        suspicion = self._suspicions.setdefault(key, _Suspicion({}, since))
        for view in nodes:
            suspicion.polls.setdefault(view.name, view.polls)
        lasted = all(suspicion.lasted(view) for view in nodes)
        suspicion.certain = suspicion.certain or lasted or not seen.lasts
        return CheckState.BAD if suspicion.certain else CheckState.SUSPECT

    def _forget(self, checks: Sequence[Check], views: Views) -> None:
        """Drop what came out fine, and what was of a channel that is no more.

        What is not there to be judged is no proof: a server that is away has as many bad polls as before. It
        can't become certain meanwhile, and a check that is there rests on the last poll of its server.
        """
        fine = {check.key for check in checks if check.state is CheckState.FINE}
        for key in [key for key in self._suspicions if key in fine or _gone(key, views)]:
            del self._suspicions[key]

    def _note_writer(self, views: Views, checks: Sequence[Check]) -> None:
        """Take note of the one server that can be written to, if there is no doubt of it.

        A member that doesn't answer is in doubt until it is certain that it is down.
        """
        if self._topology.kind not in _ONE_WRITER:
            return
        down = {
            check.node
            for check in checks
            if check.trouble is Trouble.MEMBER_DOWN and check.state is CheckState.BAD
        }
        writers = [name for name, view in views.items() if view.now and view.now.server.writable]
        doubted = [name for name, view in views.items() if view.now is None and name not in down]
        if len(writers) != 1 or doubted:
            return
        if self._writer is not None and self._writer != writers[0]:
            self._switches += 1
        self._writer = writers[0]


def _gone(key: CheckKey, views: Views) -> bool:
    """Whether a check is of a channel that its server, which tells its channels, no longer has."""
    _, node, channel = key
    view = views.get(node) if node else None
    if channel is None or view is None or view.now is None or not channels_known(view):
        return False
    return all(one.name != channel for one in view.now.channels)


def _member(view: NodeView, role: Role) -> Member:
    if view.now is None:
        return Member(view.name, up=view.up is True, role=role, channels_known=False)
    server, galera = view.now.server, view.now.galera
    clock = view.clock or server.clock
    return Member(
        view.name,
        up=True,
        role=role,
        writable=server.writable,
        version=server.version,
        clock_offset=clock.offset,
        clock_error=clock.error,
        status="" if galera is None else galera.state,
        channels_known=channels_known(view),
    )
