"""So many calls with media are kept up, each between phones of its own."""

import asyncio
from collections import Counter

import pytest

from benchmarks.media.calls import MediaCalls, parted
from benchmarks.probes.load import Phones
from dialtone.model import Account, MediaPlan, ProbeRequest, ProbeRun, Secret
from tests.fakes.clock import FakeClock
from tests.fakes.prober import FakeProber

PLAN = MediaPlan(seconds=0.0)


def phones(tenants: int = 4, each: int = 5) -> Phones:
    return Phones.of(
        [
            Account(f"t{tenant}.example", str(user), str(user), Secret("x"))
            for tenant in range(tenants)
            for user in range(each)
        ]
    )


class Placed(FakeProber):
    """A prober that notes what it is asked for; a call lasts for a turn of the loop."""

    def __init__(self) -> None:
        super().__init__(FakeClock())
        self.under_way: Counter[str] = Counter()

    async def run(self, request: ProbeRequest) -> ProbeRun:
        """Run it as the fake does."""
        callee = request.accounts[1].aor
        self.under_way[callee] += 1
        assert self.under_way[callee] == 1, "a callee serves one call at a time"
        run = await super().run(request)
        await asyncio.sleep(0)
        self.under_way[callee] -= 1
        return run


async def test_each_callee_has_its_own_calls_one_after_the_other_from_its_own_tenant() -> None:
    prober = Placed()
    calls = MediaCalls(prober, phones(), "sip:127.0.0.1", PLAN, "name")
    async with calls.kept_up(6):
        assert len({request.accounts[1].aor for request in prober.requests}) == 6
    assert len(prober.requests) > 6
    assert all(caller.tenant == callee.tenant for caller, callee in (one.accounts for one in prober.requests))
    assert all(one.plan.media == PLAN and one.timeout > PLAN.seconds for one in prober.requests)
    assert len({one.id for one in prober.requests}) == len(prober.requests) == len(calls.runs)


async def test_what_is_under_way_at_the_end_comes_to_its_own_end() -> None:
    prober = Placed()
    async with MediaCalls(prober, phones(), "sip:127.0.0.1", PLAN, "name").kept_up(3):
        pass
    assert not +prober.under_way


async def test_more_calls_than_callees_are_refused() -> None:
    with pytest.raises(ValueError, match="17 calls at once need as many callees, there are 16"):
        async with MediaCalls(Placed(), phones(), "sip:127.0.0.1", PLAN, "name").kept_up(17):
            pass


def test_phones_are_parted_by_tenants_so_that_none_is_in_both() -> None:
    ours, others = parted(phones(), 6)
    assert len(ours.callees) == 8
    assert len(others.callees) == 8
    assert not {one.aor for one in (*ours.callees, *ours.callers)} & {
        one.aor for one in (*others.callees, *others.callers)
    }
