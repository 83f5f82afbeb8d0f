"""What is looked for in each kind of topology: alerts about anything else end."""

from typing import Final

import pytest

from collectors.mysql.snapshot import Flavour, MysqlSnapshot, SemiSync
from dialtone.model import JUDGED, TopologyKind, Trouble
from tests.unit.mysql.topology.stories import Story
from tests.unit.mysql.topology.views import channel, galera, snapshot, topology, uuid

KINDS: Final = list(TopologyKind)


def told(number: int, at: float, *, source: int | None, wsrep: bool) -> MysqlSnapshot:
    """What a server says that is well and leaves nothing out."""
    return snapshot(
        number,
        at=at,
        channels=[] if source is None else [channel(source, source_uuid=uuid(source))],
        beats={1: at, 2: at},
        galera=galera(own=f"10.0.0.{number}:3306") if wsrep else None,
        writable=number == 1,
        flavour=Flavour.MYSQL,
        gtid=f"{uuid(1)}:1-10",
        skipped=0,
        semi_sync=SemiSync(source_enabled=True, source_active=True, clients=1),
        increment=2,
        offset=number,
    )


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("wsrep", [False, True])
def test_of_servers_that_tell_all_each_kind_of_topology_judges_what_it_says_and_nothing_else(
    kind: TopologyKind, wsrep: bool
) -> None:
    story = Story(topology(kind), beat=1.0)
    found: set[Trouble] = set()
    for at in (0, 15, 30):
        for number, source in ((1, None), (2, 1)):
            state = story.poll(f"db{number}", told(number, at, source=source, wsrep=wsrep))
            found |= {check.trouble for check in state.checks}
    if wsrep == (kind is TopologyKind.GALERA):
        assert found == JUDGED[kind]
    else:
        assert found <= JUDGED[kind]


@pytest.mark.parametrize("kind", KINDS)
def test_of_servers_that_go_down_stand_alone_or_are_broken_it_judges_nothing_else_either(
    kind: TopologyKind,
) -> None:
    story = Story(topology(kind), beat=1.0)
    broken = channel(9, io_running=False, sql_running=False, lag=None)
    for at in (0, 15, 30):
        for number, now in (
            (1, snapshot(1, at=at)),
            (2, snapshot(2, at=at, channels=[broken])),
            (1, None),
            (2, None),
        ):
            state = story.poll(f"db{number}", now)
            assert {check.trouble for check in state.checks} <= JUDGED[kind]


def test_every_trouble_is_looked_for_in_a_topology_of_some_kind() -> None:
    assert frozenset[Trouble]().union(*JUDGED.values()) == set(Trouble)
    assert set(JUDGED) == set(TopologyKind)
