"""Thousands of calls on each real Asterisk, and failures amidst hundreds of them: every figure is exact."""

import asyncio
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from typing import Final

import pytest

from dialtone.model import Node
from lab.asterisk.series import Series
from lab.faultproxy import FaultProxy
from tests.integration.asterisk_calls import Placed, Sipp, held, short
from tests.integration.asterisk_lab import SERIES, Pbx, asterisk
from tests.integration.asterisk_seen import (
    Figures,
    Polled,
    differences,
    figures,
    polling,
    series,
    without_zeros,
)
from tests.live.programs import killed

pytestmark = [pytest.mark.live, pytest.mark.anyio]

SHORT: Final = 10_000
RATE: Final = 250
"""Calls a second."""
INTERVAL: Final = 3.0
STOPPED: Final = 30.0
CUT: Final = 10.0
_PLACING: Final = 60.0
_SETTLED: Final = 1.0

ONCE: Final = (("acme", "01", 200), ("bolt", "02", 150), ("cafe", "10", 130), ("globex", "12", 20))
"""Who calls which number how often: answered, ringing, answered by a Local channel, parked."""
HUNG_UP: Final = {"acme": 50, "bolt": 30}
"""How many of those end while nobody can see it."""


@pytest.fixture(params=SERIES, ids=["22", "16"])
def pbx(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pbx]:
    """Each of the two Asterisks by itself, a new one for each test."""
    chosen: Series = request.param
    with asterisk(tmp_path_factory.mktemp(chosen.part), chosen) as running:
        yield running


def node_of(pbx: Pbx, endpoint: str | None = None) -> Node:
    """Return the node as the lab has it configured, polled a little more often."""
    return replace(pbx.node(endpoint=endpoint), interval=INTERVAL)


def domains(pbx: Pbx) -> dict[str, str]:
    """Return the clients' domains by their first label."""
    return {domain.partition(".")[0]: domain for domain in pbx.clients}


def five_hundred(pbx: Pbx) -> list[Placed]:
    """Return the calls of ONCE, tenant by tenant."""
    whose = domains(pbx)
    return [
        Placed.by_phone(pbx.number(digits), whose[tenant])
        for tenant, digits, number in ONCE
        for _ in range(number)
    ]


def alive(less: Mapping[str, float], more: Mapping[str, float] | None = None) -> Figures:
    """Return the figures of now while the 500 are alive, but for these that have ended; and with these."""
    calls: dict[str, float] = {tenant: number - less.get(tenant, 0) for tenant, _, number in ONCE}
    for tenant, number in (more or {}).items():
        calls[tenant] = calls.get(tenant, 0) + number
    calls = {tenant: number for tenant, number in calls.items() if number}
    rings = {"bolt"}
    by_state: dict[str, float] = {"up PJSIP": 0, "ring PJSIP": 0}
    for tenant, number in calls.items():
        by_state[f"{'ring' if tenant in rings else 'up'} PJSIP"] += number
    return {
        "asterisk_calls": {"": sum(calls.values())} if calls else {},
        "asterisk_channels": {state: number for state, number in by_state.items() if number},
        "asterisk_tenant_calls": calls,
        "asterisk_tenant_early_calls": {t: n for t, n in calls.items() if t in rings},
        "asterisk_tenant_channels": {
            f"{tenant} {'ring' if tenant in rings else 'up'} PJSIP": number
            for tenant, number in calls.items()
        },
    }


ALL: Final = {tenant: number for tenant, _, number in ONCE}
NOTHING: Final = alive(ALL)
STARTED: Final = ALL
ANSWERED: Final = {tenant: number for tenant, _, number in ONCE if tenant != "bolt"}
UNANSWERED: Final = {tenant: number for tenant, number in STARTED.items() if tenant not in ANSWERED}


def counted(
    started: Mapping[str, float],
    answered: Mapping[str, float],
    failed: Mapping[str, float],
    unseen: Mapping[str, float],
    lasted: Mapping[str, float],
) -> Figures:
    """Return the counters, by tenant; `failed` by tenant and cause."""
    return {
        "asterisk_tenant_calls_started_total": started,
        "asterisk_tenant_calls_answered_total": answered,
        "asterisk_tenant_calls_failed_total": failed,
        "asterisk_tenant_calls_unseen_total": unseen,
        "asterisk_tenant_call_duration_seconds": lasted,
    }


async def some_of_each(sipp: Sipp) -> None:
    """Hang up what HUNG_UP says, the first of each tenant."""
    place = 0
    for tenant, _, number in ONCE:
        await sipp.hang_up(range(place, place + HUNG_UP.get(tenant, 0)))
        place += number


async def rest_of_each(sipp: Sipp) -> None:
    """Hang up those that are left."""
    place = 0
    for tenant, _, number in ONCE:
        await sipp.hang_up(range(place + HUNG_UP.get(tenant, 0), place + number))
        place += number


async def nothing_is_held(polled: Polled) -> None:
    """Have no channel left in memory, of calls that have all ended."""
    for _ in range(3):  # what was missed is given up after some lists
        await polled.next()
    assert polled.collector._tracker.held == 0
    assert polled.collector._rtp.legs == 0


async def test_after_ten_thousand_short_calls_every_counter_is_exact_and_nothing_has_grown(
    pbx: Pbx, tmp_path: Path
) -> None:
    whose = domains(pbx)
    numbers = {"01": "answered", "03": "busy", "99": "unknown-number", "02": "cancelled"}
    shares = ["01"] * 6 + ["03", "99", "02", "01"]
    placed = [
        (tenant, shares[(place // 3) % len(shares)])
        for place, tenant in zip(range(SHORT), ["acme", "bolt", "umbrella"] * SHORT, strict=False)
    ]
    calls = [Placed.by_phone(pbx.number(digits), whose[tenant]) for tenant, digits in placed]
    kinds = Counter((tenant, numbers[digits]) for tenant, digits in placed)
    answered = {tenant: number for (tenant, kind), number in kinds.items() if kind == "answered"}
    wanted = NOTHING | counted(
        dict(Counter(tenant for tenant, _ in placed)),
        answered,
        {f"{tenant} {kind}": number for (tenant, kind), number in kinds.items() if kind != "answered"},
        {},
        answered,
    )
    async with polling(node_of(pbx), pbx.tenants) as polled:
        # Long enough for a snapshot to have each tenant: from then on all its series are there.
        async with held(pbx, tmp_path, calls[:3]) as first:
            await asyncio.sleep(_SETTLED)
            before = (await polled.next()).reading
            await first.hang_up()
            await first.passed()
        async with short(pbx, tmp_path, calls[3:], rate=RATE) as sipp:
            await sipp.passed(_PLACING)
        await asyncio.sleep(_SETTLED)
        await polled.right(wanted)
        after = polled.polls[-1][1].reading
        assert before is not None
        assert after is not None
        assert not (more := series(after) - series(before)), sorted(more)
        assert not (less := series(before) - series(after)), sorted(less)
        assert all(state.up for _, state in polled.polls)
        await nothing_is_held(polled)


async def test_a_server_that_restarts_amidst_five_hundred_calls_has_none_and_new_ones_are_counted(
    pbx: Pbx, tmp_path: Path
) -> None:
    async with polling(node_of(pbx), pbx.tenants) as polled:
        async with held(pbx, tmp_path, five_hundred(pbx)):
            await placed(polled)
            async with killed(pbx.root, [pbx.series.part]):
                assert not (await polled.next()).up
        await pbx.booted()
        # Whatever was alive has ended without a word; who wasn't answered is not said to have failed.
        ended = counted(STARTED, ANSWERED, {}, UNANSWERED, {})
        await polled.right(NOTHING | ended)
        (acme, number), *_ = [(tenant, number) for tenant, _, number in ONCE]
        again = [Placed.by_phone(pbx.number("01"), domains(pbx)[acme])] * 10
        async with held(pbx, tmp_path, again) as sipp:
            await asyncio.sleep(_SETTLED)
            started, answered = {**STARTED, acme: number + 10}, {**ANSWERED, acme: number + 10}
            await polled.right(alive(ALL, {acme: 10}) | counted(started, answered, {}, UNANSWERED, {}))
            await sipp.hang_up()
            await sipp.passed()
        await asyncio.sleep(_SETTLED)
        await polled.right(NOTHING | counted(started, answered, {}, UNANSWERED, {acme: 10}))
        await nothing_is_held(polled)


async def test_a_server_that_stands_still_for_half_a_minute_amidst_five_hundred_calls_loses_none(
    pbx: Pbx, tmp_path: Path
) -> None:
    async with polling(node_of(pbx), pbx.tenants) as polled, held(pbx, tmp_path, five_hundred(pbx)) as sipp:
        await placed(polled)
        with pbx.stopped():
            await some_of_each(sipp)
            await asyncio.sleep(STOPPED)
            assert not polled.polls[-1][1].up
        await asyncio.sleep(_SETTLED)  # for BYE and CANCEL, which SIPp sends again and again meanwhile
        state = await polled.next()
        assert state.up
        assert state.reading is not None
        assert differences(state.reading, alive(HUNG_UP)) == {}
        await rest_of_each(sipp)
        await sipp.ended()  # not in order: what was sent again and again is answered as often
        await asyncio.sleep(_SETTLED)
        await polled.right(
            NOTHING
            | {
                "asterisk_tenant_calls_started_total": STARTED,
                "asterisk_tenant_calls_answered_total": ANSWERED,
            }
        )
        reading = polled.polls[-1][1].reading
        assert reading is not None
        assert ends(figures(reading)) == STARTED
        await nothing_is_held(polled)


def ends(seen: Mapping[str, Mapping[str, float]]) -> Mapping[str, float]:
    """Return how many calls of each tenant have come to one of the ends that there are."""
    found: Counter[str] = Counter()
    for metric in ("calls_answered_total", "calls_failed_total", "calls_unseen_total"):
        for key, number in seen[f"asterisk_tenant_{metric}"].items():
            found[key.partition(" ")[0]] += int(number)
    assert set(without_zeros(seen["asterisk_tenant_calls_failed_total"])) <= {"bolt cancelled"}
    return {tenant: number for tenant, number in found.items() if number}


async def test_a_connection_that_is_cut_amidst_five_hundred_calls_costs_what_ended_meanwhile_and_no_more(
    pbx: Pbx, tmp_path: Path
) -> None:
    target = "127.0.0.1", int(pbx.address("ami").rpartition(":")[2])
    late = [Placed.by_phone(pbx.number("01"), domains(pbx)["umbrella"])] * 20
    started, answered = {**STARTED, "umbrella": 20}, {**ANSWERED, "umbrella": 20}
    async with (
        FaultProxy(target) as proxy,
        polling(node_of(pbx, f"tcp://127.0.0.1:{proxy.port}"), pbx.tenants) as polled,
        held(pbx, tmp_path, five_hundred(pbx)) as sipp,
        AsyncExitStack() as stack,
    ):
        await placed(polled)
        await proxy.cut()
        await some_of_each(sipp)
        more = await stack.enter_async_context(held(pbx, tmp_path, late, port=pbx.phones))
        await asyncio.sleep(CUT)
        assert not polled.polls[-1][1].up
        await proxy.heal()
        unseen = {tenant: number for tenant, number in HUNG_UP.items() if tenant in UNANSWERED}
        # A tenant that is first seen begins at 0; what it has by then is in the poll after.
        known = counted(STARTED, ANSWERED, {}, unseen, {})
        await polled.right(alive(HUNG_UP, {"umbrella": 20}) | known)
        await polled.right(counted(started, answered, {}, unseen, {}))
        await rest_of_each(sipp)
        await more.hang_up()
        await sipp.passed()
        await more.passed()
        await asyncio.sleep(_SETTLED)
        lasted = {"acme": 150, "cafe": 130, "globex": 20}
        await polled.right(NOTHING | counted(started, answered, {"bolt cancelled": 120}, unseen, lasted))
        await nothing_is_held(polled)


async def placed(polled: Polled) -> None:
    """Wait until the 500 are seen."""
    deadline = asyncio.get_running_loop().time() + _PLACING
    while True:
        state = await polled.next()
        wrong = differences(state.reading, alive({})) if state.reading else state.detail
        if not wrong:
            return
        assert asyncio.get_running_loop().time() < deadline, f"(seen, wanted): {wrong}"
