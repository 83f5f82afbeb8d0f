"""When another hop is tried, and when what happened is the platform's doing."""

import asyncio
from typing import Any, cast

import pytest

from dialtone.model import FailureCode
from synthetic.agents.failover import PATIENCE, Watch, Ways, said
from synthetic.probes.base import FlowError
from synthetic.target import Hop

FIRST, SECOND, THIRD = (Hop(("127.0.0.1", port)) for port in (1, 2, 3))


class Manager:
    """Takes what a watch does to a phone's transactions."""

    def __init__(self) -> None:
        self.listener: Any = None
        self.trouble: FlowError | None = None

    def give_up(self, error: FlowError) -> None:
        """Take the error, as a real one does."""
        self.trouble = error
        self.listener.failed(error)


def watched(patience: float | None) -> tuple[Watch, Manager]:
    watch, manager = Watch(FIRST, patience), Manager()
    watch.attach(cast("Any", manager))
    return watch, manager


@pytest.mark.parametrize(
    ("heard", "why"),
    [
        ([], ""),
        ([503], "503 Service Unavailable"),
        ([100, 503], "503 Service Unavailable"),
        ([401, 503], ""),
        ([503, 200], ""),
        ([180, 503], ""),
        ([None, 503], ""),
        ([500], ""),
    ],
)
async def test_only_503_and_nothing_else_understood_means_another_hop(
    heard: list[int | None], why: str
) -> None:
    watch, _ = watched(1.0)
    watch.asked()
    for status in heard:
        watch.heard(status)
    watch.close()
    assert watch.why_not == why


async def test_a_silent_hop_is_given_up_when_its_share_is_over() -> None:
    watch, manager = watched(0.0)
    watch.asked()
    for _ in range(3):
        await asyncio.sleep(0)
    assert manager.trouble is not None
    assert manager.trouble.code is FailureCode.TIMEOUT
    assert "no answer within" in watch.why_not


async def test_the_only_hop_is_never_given_up() -> None:
    watch, manager = watched(None)
    watch.asked()
    watch.refused("nothing listens")
    await asyncio.sleep(0)
    assert manager.trouble is None
    assert watch.why_not == ""


async def test_a_hop_that_refuses_is_given_up_at_once_unless_it_has_served() -> None:
    watch, manager = watched(5.0)
    watch.asked()
    watch.refused("nothing listens")
    assert manager.trouble is not None
    served, other = watched(5.0)
    served.heard(200)
    served.refused("nothing listens")
    assert other.trouble is None


async def test_a_hop_whose_connection_broke_after_it_served_is_not_tried_elsewhere() -> None:
    watch, _ = watched(5.0)
    watch.heard(200)
    watch.failed(FlowError(FailureCode.CONNECT, "lost"))
    assert watch.why_not == ""


async def test_each_hop_has_its_share_and_the_last_all_that_is_left() -> None:
    ways = Ways({"a": (FIRST, SECOND, THIRD), "b": (FIRST,)})
    patience = {target: watch._patience for target, watch in ways.watches(6.0).items()}
    assert patience == {"a": 2.0, "b": None}
    assert ways.watches(60.0)["a"]._patience == PATIENCE


async def test_only_the_target_whose_hop_did_not_serve_goes_on() -> None:
    ways = Ways({"a": (FIRST, SECOND), "b": (FIRST, THIRD)})
    watches = ways.watches(6.0)
    watches["a"].failed(FlowError(FailureCode.CONNECT, "refused"))
    assert ways.next(watches) == [(FIRST, SECOND, "refused")]
    again = ways.watches(6.0)
    assert (again["a"].hop, again["b"].hop) == (SECOND, FIRST)
    again["a"].failed(FlowError(FailureCode.CONNECT, "refused too"))
    assert ways.next(again) == []


def test_a_failover_says_from_where_to_where_when_and_why() -> None:
    mark = said((FIRST, Hop(("::1", 5)), "refused"), 1.25)
    assert mark == "failed over from 127.0.0.1:1 to [::1]:5 after 1.2 s: refused"
