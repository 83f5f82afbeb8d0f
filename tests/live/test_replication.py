"""Faults of replication on the real pair, as the service tells them."""

from collections.abc import Iterator
from typing import Any, Final

import pytest

from lab.faultproxy import Mode, steer
from lab.mysql import start_sql_thread, stop_sql_thread
from tests.fakes.webhook_receiver import WebhookReceiver, receiving
from tests.live.figures import Figures, until_right
from tests.live.stage import Stage, staged
from tests.live.watched import Watched, watching

pytestmark = pytest.mark.live

_LAG: Final = "mysql_replication_heartbeat_lag_seconds"
_THREADS: Final = ("mysql_replication_io_running", "mysql_replication_sql_running")
_SOURCE: Final = {"node": "db2", "source": "1"}
_SMALL: Final = 2.0
"""Seconds: a heartbeat twice a second, read once a second."""
_LARGE: Final = 4.0
"""Seconds: beyond any hiccup, yet before the replica notices (slave_net_timeout, 8 s)."""


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """The pair alone; each test heals what it broke."""
    with staged(tmp_path_factory.mktemp("replication"), only=["mysql"]) as ready:
        yield ready


def _lag(figures: Figures) -> float:
    lag = figures.one(_LAG, **_SOURCE)
    assert lag is not None, "the heartbeat of db1 is not known on db2"
    return lag


def _threads(figures: Figures) -> tuple[float | None, ...]:
    return tuple(figures.one(thread, node="db2") for thread in _THREADS)


async def _in_step(watched: Watched) -> Figures:
    def near(figures: Figures) -> bool:
        return _lag(figures) < _SMALL and _threads(figures) == (1.0, 1.0)

    return await until_right(watched.metrics, near)


async def test_over_a_dead_link_the_heartbeat_lags_while_the_replica_says_that_all_is_well(
    stage: Stage,
) -> None:
    link = stage.state.addresses["db-link-control"]
    async with watching(stage.config("link")) as watched:
        await _in_step(watched)
        try:
            assert await steer(link, "blackhole") is Mode.BLACKHOLE
            lies = await until_right(watched.metrics, lambda figures: _lag(figures) > _LARGE)
            assert _threads(lies) == (1.0, 1.0)
            assert lies.one("mysql_replication_lag_seconds", node="db2") == 0.0
            assert _lag(await until_right(watched.metrics, lambda figures: _lag(figures) > _LARGE + 1))
        finally:
            assert await steer(link, "heal") is Mode.OK
        healed = await _in_step(watched)
        # The other direction has a link of its own and noticed nothing.
        assert [healed.one(thread, node="db1") for thread in _THREADS] == [1.0, 1.0]


async def test_a_stopped_sql_thread_is_told_when_it_stops_and_when_it_runs_again(stage: Stage) -> None:
    async with (
        receiving() as receiver,
        watching(stage.config("thread", webhook=f"{receiver.url}/hook")) as watched,
    ):
        await _in_step(watched)
        assert receiver.bodies == []
        try:
            await stop_sql_thread(stage.state.addresses)
            firing = await _alert(receiver, "firing")
            assert firing["labels"]["alertname"] == "ReplicationBroken"
            assert firing["labels"]["node"] == "db2"
            assert "sql-stopped" in firing["annotations"]["description"]
            figures = await watched.metrics()
            assert _threads(figures) == (1.0, 0.0)
            # NULL is not 0: nothing is published as the lag that nobody knows.
            assert figures.one("mysql_replication_lag_seconds", node="db2") is None
            assert figures.one("mysql_replication_lag_known", node="db2") == 0.0
            assert await watched.firing() == {("ReplicationBroken", "db2")}
        finally:
            await start_sql_thread(stage.state.addresses)
        resolved = await _alert(receiver, "resolved")
        assert resolved["fingerprint"] == firing["fingerprint"]
        assert resolved["startsAt"] == firing["startsAt"]
        assert resolved["endsAt"] > resolved["startsAt"]
        await _in_step(watched)
        assert {alert["status"] for body in receiver.bodies for alert in body["alerts"]} == {
            "firing",
            "resolved",
        }


async def _alert(receiver: WebhookReceiver, status: str) -> dict[str, Any]:
    """Wait for an alert with that status; there must be one alone."""

    async def came() -> list[dict[str, Any]]:
        return [a for body in receiver.bodies for a in body["alerts"] if a["status"] == status]

    (alert,) = await until_right(came, bool)
    return alert
