"""Calls of several tenants in several states on each real Asterisk: every figure is what was placed."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from dialtone.config.addresses import ami_url
from lab.asterisk.series import Series
from tests.integration.asterisk_calls import Placed, desk, held, phones
from tests.integration.asterisk_lab import SERIES, Pbx, asterisk
from tests.integration.asterisk_seen import Figures, figures, series, until, watching

pytestmark = [pytest.mark.integration, pytest.mark.anyio]

NOW: Final[Figures] = {
    "asterisk_calls": {"": 15},
    "asterisk_channels": {"up PJSIP": 15, "ring PJSIP": 3, "ringing PJSIP": 6},
    "asterisk_tenant_calls": {"acme": 5, "bolt": 4, "cafe": 1, "globex": 1, "umbrella": 3, "_unknown": 1},
    "asterisk_tenant_early_calls": {"bolt": 3},
    "asterisk_peak_calls": {"": 15},
    "asterisk_tenant_peak_calls": {
        "acme": 5,
        "bolt": 4,
        "cafe": 1,
        "globex": 1,
        "umbrella": 3,
        "_unknown": 1,
    },
    "asterisk_tenant_channels": {
        "acme up PJSIP": 6,
        "bolt ring PJSIP": 3,
        "bolt ringing PJSIP": 1,
        "bolt up PJSIP": 2,
        "cafe up PJSIP": 2,
        "globex up PJSIP": 1,
        "umbrella ringing PJSIP": 5,
        "umbrella up PJSIP": 3,
        "_unknown up PJSIP": 1,
    },
    "asterisk_tenant_queue_waiting": {"umbrella umbrella": 1},
    "asterisk_tenant_conferences": {"umbrella": 1},
    "asterisk_tenant_conference_parties": {"umbrella": 2},
    "asterisk_tenant_voicemail_messages": {"acme new": 3, "bolt old": 2},
}
"""While the calls are held."""
ALL_AROUND: Final[Figures] = {
    "asterisk_tenant_parked_calls": {"globex": 1},
    "asterisk_tenant_mailboxes": dict.fromkeys(("acme", "bolt", "cafe", "globex", "initech", "umbrella"), 1),
    "asterisk_tenant_queue_agents": {
        "acme acme available": 4,
        "acme acme in-use": 1,
        "bolt bolt available": 4,
        "bolt bolt ringing": 1,
        "cafe cafe available": 4,
        "cafe cafe in-use": 1,
        "globex globex available": 5,
        "initech initech available": 5,
        "umbrella umbrella ringing": 5,
    },
    # Each tenant has five phones and four endpoints more: for its calls; for those without transfers (idle);
    # for those on IPv6 and for desk phones, which are unavailable.
    "asterisk_tenant_endpoints": {
        "acme idle": 5,
        "acme in-use": 2,
        "acme unavailable": 2,
        "bolt idle": 5,
        "bolt in-use": 1,
        "bolt ringing": 1,
        "bolt unavailable": 2,
        "cafe idle": 5,
        "cafe in-use": 2,
        "cafe unavailable": 2,
        "globex idle": 6,
        "globex in-use": 1,
        "globex unavailable": 2,
        "initech idle": 6,
        "initech unavailable": 3,
        "umbrella idle": 1,
        "umbrella in-use": 1,
        "umbrella ringing": 5,
        "umbrella unavailable": 2,
        "_unknown idle": 2,
        "_unknown in-use": 3,
    },
}
"""What a login sees meanwhile that may ask for parked calls. Nobody's are the trunk and the gateways."""
COUNTED: Final[Figures] = {
    "asterisk_tenant_calls_started_total": {
        "acme": 9, "bolt": 4, "cafe": 1, "globex": 1, "umbrella": 3, "_unknown": 1
    },
    "asterisk_tenant_calls_answered_total": {
        "acme": 6, "bolt": 1, "cafe": 1, "globex": 1, "umbrella": 3, "_unknown": 1
    },
    "asterisk_tenant_queue_joined_total": {"umbrella umbrella": 1},
}  # fmt: skip
"""From when they have been placed on."""
HELD: Final[Figures] = {"asterisk_tenant_calls_failed_total": {"acme busy": 2, "acme unknown-number": 1}}
OVER: Final[Figures] = {
    "asterisk_calls": {},
    "asterisk_channels": {},
    "asterisk_tenant_calls": {},
    "asterisk_tenant_early_calls": {},
    "asterisk_tenant_channels": {},
    "asterisk_tenant_queue_waiting": {},
    "asterisk_tenant_conferences": {},
    "asterisk_tenant_conference_parties": {},
    "asterisk_tenant_calls_failed_total": {"acme busy": 2, "acme unknown-number": 1, "bolt cancelled": 3},
    "asterisk_tenant_calls_unseen_total": {},
    "asterisk_tenant_call_duration_seconds": {
        "acme": 6, "bolt": 1, "cafe": 1, "globex": 1, "umbrella": 3, "_unknown": 1
    },
    "asterisk_tenant_queue_abandoned_total": {"umbrella umbrella": 1},
}  # fmt: skip
"""When all have hung up."""


@pytest.fixture(scope="module", params=SERIES, ids=["22", "16"])
def pbx(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pbx]:
    """Each of the two Asterisks by itself."""
    chosen: Series = request.param
    with asterisk(tmp_path_factory.mktemp(chosen.part), chosen) as running:
        acme, bolt, *_ = running.clients
        running.leave_messages(acme, 3)
        running.leave_messages(bolt, 2, "Old")
        yield running


def calls_of_every_kind(pbx: Pbx) -> list[Placed]:
    """Return calls that are answered, ring, are refused; to phones, the platform, a queue, outside ..."""
    acme, bolt, cafe, globex, _, umbrella = pbx.clients
    by_phone = [
        *[("01", acme)] * 3, ("10", acme), ("03", acme), ("99", acme), ("09", acme),
        *[("02", bolt)] * 2, ("11", cafe), ("12", globex),
        *[("06", umbrella)] * 2, ("05", umbrella),
    ]  # fmt: skip
    return [
        *(Placed.by_phone(pbx.number(digits), tenant) for digits, tenant in by_phone),
        Placed.by_phone("103", acme),
        Placed.by_phone("104", bolt),
        Placed.by_phone("95145550123", bolt),
        Placed.by_trunk("15140001102", acme),
        Placed.of_nobody("5145550123"),
    ]


async def test_every_figure_is_what_was_placed_and_the_series_are_the_same_after_the_calls(
    pbx: Pbx, tmp_path: Path
) -> None:
    async with watching(pbx) as collector, phones(pbx, tmp_path):
        await collector.collect()
        async with held(pbx, tmp_path, calls_of_every_kind(pbx)) as sipp:
            placed = await until(collector, NOW | COUNTED | HELD)
            async with watching(pbx, pbx.node("call")) as other:
                await until(other, NOW | ALL_AROUND)
            await sipp.hang_up()
            await sipp.passed()
        over = await until(collector, COUNTED | OVER)
        assert series(over) == series(placed)


async def test_over_http_calls_are_counted_and_none_is_timed(pbx: Pbx, tmp_path: Path) -> None:
    """Events come with a poll there, not when something happens."""
    acme, bolt, *_ = pbx.clients
    by_phone = (("101", acme), (pbx.number("03"), acme), ("104", bolt))
    calls = [Placed.by_phone(number, tenant) for number, tenant in by_phone]
    alive: Figures = {"asterisk_tenant_calls": {"acme": 1, "bolt": 1}}
    counted: Figures = {
        "asterisk_tenant_calls_started_total": {"acme": 2, "bolt": 1},
        "asterisk_tenant_calls_answered_total": {"acme": 1},
        "asterisk_tenant_calls_failed_total": {"acme busy": 1, "bolt cancelled": 1},
        "asterisk_tenant_calls_unseen_total": {},
    }
    timed: Figures = {
        "asterisk_tenant_call_duration_seconds": {"acme": 1},
        "asterisk_tenant_ring_seconds": {"acme": 1},
    }
    over_http = pbx.node(endpoint=ami_url(pbx.address("ajam")))
    async with watching(pbx) as ami, watching(pbx, over_http) as ajam, phones(pbx, tmp_path):
        await ami.collect()
        await ajam.collect()
        async with held(pbx, tmp_path, calls) as sipp:
            await until(ami, alive)
            await until(ajam, alive)
            await sipp.hang_up()
            await sipp.passed()
        await until(ami, counted | timed)
        seen = figures(await until(ajam, counted))
    assert not seen.keys() & timed.keys()


async def test_a_phone_that_registered_is_reachable_and_how_far_away_it_is(pbx: Pbx) -> None:
    acme, bolt, *_ = pbx.clients
    async with (
        watching(pbx, pbx.node("system")) as collector,
        desk(pbx, acme),
        desk(pbx, acme),
        desk(pbx, bolt),
    ):
        reading = await until(
            collector, {"asterisk_tenant_contacts": {"acme reachable": 2, "bolt reachable": 1}}
        )
    trips = figures(reading)["asterisk_tenant_contact_rtt_seconds"]
    assert set(trips) == {"acme 0.5", "acme 1", "bolt 0.5", "bolt 1"}
    assert all(0 < trip < 1 for trip in trips.values())
