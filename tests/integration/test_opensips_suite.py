"""What SIPp's phones do through a real OpenSIPS appears per tenant with exact counts, and ends."""

import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import pytest

from tests.integration.exposed import Page
from tests.integration.opensips_server import free_port
from tests.integration.opensips_traffic import Platform, calls, platform, register
from tests.integration.opensips_watch import (
    ACME,
    BOLT,
    CORP,
    NTEK,
    PLATFORM,
    VOX,
    Watch,
    a_node,
)
from tests.integration.service import serving, until, write_config

pytestmark = [pytest.mark.integration, pytest.mark.opensips]

STRANGER: Final = "stranger.example"
"""A domain that is not configured."""
ANSWERED: Final = {ACME: 5, BOLT: 3, CORP: 2, STRANGER: 1}
BUSY: Final = {ACME: 1, CORP: 2}
PHONES: Final = {ACME: 4, BOLT: 2, CORP: 3, STRANGER: 1}
LIVE: Final = sum(ANSWERED.values())
REGISTERED: Final = sum(PHONES.values())
NO_CALLS: Final = dict.fromkeys(
    ("attempted", "established", "redirected", "end_user", "ineffective", "failed", "completed"), 0.0
)
COUNTED: Final = {
    ACME: NO_CALLS | {"attempted": 6, "established": 5, "end_user": 1},
    BOLT: NO_CALLS | {"attempted": 3, "established": 3},
    CORP: NO_CALLS | {"attempted": 4, "established": 2, "end_user": 2},
    "_unknown": NO_CALLS | {"attempted": 1, "established": 1},
}
PER_PHONE: Final = ("opensips_tenant_registered_aors", "opensips_tenant_contacts")
"""What every phone of a tenant is one of."""
RESELLERS: Final = {
    ACME: NTEK, BOLT: NTEK, NTEK: NTEK, CORP: VOX, VOX: VOX, PLATFORM: PLATFORM, "_unknown": ""
}  # fmt: skip
QUIET: Final = dict.fromkeys(RESELLERS, 0.0)
NOTHING: Final = dict.fromkeys(
    ("contacts", "users", "accepted", "dialogs", "failed", "transactions", "balanced", "dispatched"), 0.0
)

Pages = Callable[[], Awaitable[Page]]


async def test_calls_and_registrations_of_three_tenants_appear_exactly_and_are_gone_when_they_end(
    tmp_path: Path,
) -> None:
    # What appears is asked for at once: no test waits a minute, and a clock set forward is a restart.
    async with stage_of(tmp_path) as stage:
        node = a_node("sip1", stage.server.mi, events=address_for_events())
        async with Watch([node]).open() as watch:

            async def page() -> Page:
                await watch.poll("sip1")
                return watch.page()

            before = await settles(page, listens)
            assert dialogs(before) == QUIET
            assert figures(before) == NOTHING
            assert not sessions(before)

            await register(stage, PHONES, expires=600)
            async with calls(stage, ANSWERED, BUSY) as callers:
                await stage.busy.passed()
                await settles(page, lambda now: now.one("opensips_dialog_active") == LIVE)
                await settles(page, known)
                appeared(await page())
                callers.hang_up()
                await callers.passed()
            await stage.answering.passed()
            await register(stage, PHONES, expires=0)
            await settles(page, over)
            ended(await page())


async def test_the_service_shows_the_same_calls_and_registrations_at_its_metrics(tmp_path: Path) -> None:
    async with stage_of(tmp_path) as stage, calls(stage, ANSWERED, BUSY) as callers:
        await stage.busy.passed()
        async with serving(configuration(tmp_path, stage.server.mi)) as service:

            async def page() -> Page:
                status, body = await service.ask("/metrics")
                assert status == 200
                return Page.parse(body)

            await settles(page, listens)
            await register(stage, PHONES, expires=600)
            appeared(await settles(page, known))
            callers.hang_up()
            await callers.passed()
            await stage.answering.passed()
            await register(stage, PHONES, expires=0)
            ended(await settles(page, over))


@asynccontextmanager
async def stage_of(folder: Path) -> AsyncIterator[Platform]:
    """Run a server, with phones for all calls."""
    async with platform(folder, answered=LIVE, busy=sum(BUSY.values())) as stage:
        yield stage


def configuration(folder: Path, mi: str) -> Path:
    """Write a service's configuration."""
    return write_config(
        folder,
        platform={"domain": PLATFORM},
        tenants=[{"domain": domain} for domain in (NTEK, VOX, ACME, BOLT, CORP)],
        nodes=[
            {
                "name": "sip1",
                "kind": "opensips",
                "mi": mi,
                "interval": "1s",
                "timeout": "800ms",
                "events": address_for_events(),
            }
        ],
    )


def address_for_events() -> str:
    """Return where a server may send what becomes of registrations."""
    return f"udp://127.0.0.1:{free_port(socket.SOCK_DGRAM)}"


def listens(page: Page) -> bool:
    """Whether events are subscribed to; no phone was there yet, and so nobody knows that there is none."""
    return page.one("opensips_registration_source_up", source="events") == 1 and phones(page) == {}


def known(page: Page) -> bool:
    """Whether all calls are seen, and the tenants' phones told apart."""
    return page.one("opensips_dialog_active") == LIVE and sum(phones(page).values()) == REGISTERED


def over(page: Page) -> bool:
    """Whether no call and no phone is left."""
    left = page.one("opensips_dialog_active"), page.one("opensips_usrloc_registered_users")
    return all(figure == 0 for figure in left) and phones(page) == QUIET


def appeared(page: Page) -> None:
    """Every phone is registered, the answered calls are alive, the busy ones were counted."""
    assert page.one("dialtone_up", node="sip1") == 1
    assert dialogs(page) == QUIET | {ACME: 5, BOLT: 3, CORP: 2, "_unknown": 1}
    for metric in PER_PHONE:
        assert phones(page, metric) == QUIET | {ACME: 4, BOLT: 2, CORP: 3, "_unknown": 1}
    assert sessions(page) == COUNTED
    assert figures(page) == {
        "contacts": REGISTERED,
        "users": REGISTERED,
        "accepted": REGISTERED,
        "dialogs": LIVE + sum(BUSY.values()),
        "failed": sum(BUSY.values()),
        "transactions": LIVE + sum(BUSY.values()),
        "balanced": LIVE,
        "dispatched": sum(BUSY.values()),
    }


def ended(page: Page) -> None:
    """Nothing is alive any more; what was counted stays, each tenant's under its own name and reseller."""
    assert dialogs(page) == QUIET
    for metric in PER_PHONE:
        assert phones(page, metric) == QUIET
    assert sessions(page) == {tenant: of | {"completed": of["established"]} for tenant, of in COUNTED.items()}
    assert figures(page) == {
        "contacts": 0,
        "users": 0,
        "accepted": 2 * REGISTERED,
        "dialogs": LIVE + sum(BUSY.values()),
        "failed": sum(BUSY.values()),
        "transactions": LIVE + sum(BUSY.values()) + LIVE,  # each BYE is one
        "balanced": 0,
        "dispatched": sum(BUSY.values()),
    }
    for metric in ("opensips_tenant_dialogs", "opensips_tenant_sessions_total", *PER_PHONE):
        for series in page.of("sip1", metric):
            labels = dict(series.labels)
            assert labels["reseller"] == RESELLERS[labels["tenant"]]
    named = [series for series in page.values if not series.metric.startswith("opensips_statistic")]
    assert STRANGER not in str(named)


def dialogs(page: Page) -> dict[str, float]:
    """Return the live dialogs by tenant."""
    return page.by("tenant", "opensips_tenant_dialogs", node="sip1")


def phones(page: Page, metric: str = PER_PHONE[0]) -> dict[str, float]:
    """Return the registered phones by tenant."""
    return page.by("tenant", metric, node="sip1")


def sessions(page: Page) -> dict[str, dict[str, float]]:
    """Return what the script counted of calls, by tenant and result."""
    found = page.by("tenant", "opensips_tenant_sessions_total", result="attempted")
    return {
        tenant: page.by("result", "opensips_tenant_sessions_total", node="sip1", tenant=tenant)
        for tenant in found
    }


def figures(page: Page) -> dict[str, float | None]:
    """Return what the server says of itself."""
    return {
        "contacts": page.one("opensips_usrloc_contacts", table="location"),
        "users": page.one("opensips_usrloc_registered_users"),
        "accepted": page.one("opensips_registrar_registrations_total", result="accepted"),
        "dialogs": page.one("opensips_dialog_processed_total"),
        "failed": page.one("opensips_dialog_failed_total"),
        "transactions": page.one("opensips_tm_transactions_total", side="uas"),
        "balanced": page.one("opensips_load_balancer_calls", resource="channels"),
        "dispatched": page.one("opensips_dispatcher_first_hits_total"),
    }


async def settles(page: Pages, wanted: Callable[[Page], bool]) -> Page:
    """Return the first page that is as wanted."""

    async def ask() -> Page | None:
        now = await page()
        return now if wanted(now) else None

    found = await until("the page is as expected", ask)
    assert found is not None
    return found
