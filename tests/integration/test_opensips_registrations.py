"""Registrations by events and by the location table agree with a real server's own list."""

import json
import signal
import socket
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Final

import pytest

from collectors.opensips.database import Registered, Tables
from dialtone.model import Database, Secret
from lab.mysql.sql import connected
from tests.integration.exposed import Page
from tests.integration.opensips_registrar import PASSWORD, Phone, Registrar, registrar
from tests.integration.opensips_server import free_port
from tests.integration.opensips_watch import ACME, BOLT, CORP, NTEK, PLATFORM, VOX
from tests.integration.service import Service, dialtone, serving, until, write_config

pytestmark = [pytest.mark.integration, pytest.mark.opensips]

STRANGER: Final = "stranger.example"
_PHONES: Final = {ACME: 2500, BOLT: 1500, CORP: 900, STRANGER: 100}
_PATIENCE: Final = 90.0

Pages = Callable[[], Awaitable[Page]]


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where MariaDB's template is kept for the tests of this module."""
    return tmp_path_factory.mktemp("cache")


def phones() -> list[Phone]:
    """Return 5,000 phones of three tenants and a domain that nobody has configured."""
    return [Phone(f"u{n}", domain) for domain, number in _PHONES.items() for n in range(number)]


def configured(folder: Path, one: Registrar, **changes: object) -> Path:
    """Write a service's configuration: a node with its events and its database."""
    (folder / "password").write_text(PASSWORD)
    (folder / "password").chmod(0o600)
    node: dict[str, object] = {
        "name": "sip1",
        "kind": "opensips",
        "mi": one.server.mi,
        "interval": "1s",
        "timeout": "900ms",
        "events": f"unix://{folder}/ev",
        "database": {
            "dsn": f"mysql://dialtone@127.0.0.1:{one.database.port}/opensips",
            "password": {"file": "password"},
        },
    }
    node |= changes
    return write_config(
        folder,
        platform={"domain": PLATFORM},
        tenants=[{"domain": domain} for domain in (NTEK, VOX, ACME, BOLT, CORP)],
        nodes=[{key: value for key, value in node.items() if value is not None}],
    )


def figures(page: Page, metric: str = "opensips_tenant_registered_aors") -> dict[str, float]:
    """Return what is shown by tenant, those with none left out."""
    return {tenant: value for tenant, value in page.by("tenant", metric, node="sip1").items() if value}


def folded(aors: Mapping[str, int]) -> dict[str, float]:
    """Return a server's own list as it must be shown: what nobody has configured is `_unknown`."""
    counted: Counter[str] = Counter()
    for domain, number in aors.items():
        counted["_unknown" if domain == STRANGER else domain] += number
    return {domain: float(number) for domain, number in counted.items()}


def pages(service: Service) -> Pages:
    async def page() -> Page:
        status, body = await service.ask("/metrics")
        assert status == 200
        return Page.parse(body)

    return page


async def agrees(one: Registrar, page: Pages, contacts: Mapping[str, float]) -> None:
    """Wait until addresses are shown as the server lists them, and contacts as they must be."""
    expected = folded(await one.aors())
    aors, total = await one.numbers()
    assert (aors, total) == (sum(expected.values()), sum(contacts.values()))

    shown: tuple[Mapping[str, float], ...] = ()

    async def same() -> bool:
        nonlocal shown
        now = await page()
        shown = figures(now), figures(now, "opensips_tenant_contacts")
        return shown == (expected, contacts)

    try:
        await until("the page agrees with the server", same, seconds=_PATIENCE)
    except AssertionError:
        raise AssertionError(f"shown are {shown}, and there are {expected, contacts}") from None


async def test_registrations_agree_with_the_server_after_5000_came_2000_ended_and_the_collector_was_killed(
    tmp_path: Path, cache: Path
) -> None:
    async with registrar(tmp_path, cache) as one:
        config = configured(tmp_path, one, events=f"udp://127.0.0.1:{free_port(socket.SOCK_DGRAM)}")
        everyone = phones()
        async with serving(config) as service:
            page = pages(service)
            await until("the service listens", lambda: _is_known(page), seconds=_PATIENCE)
            await one.register(everyone)
            await agrees(one, page, {ACME: 2500, BOLT: 1500, CORP: 900, "_unknown": 100})

            # A second device of 300 phones; and 500 that come back with a new Call-ID.
            more = [Phone(phone.user, phone.domain, device=6000) for phone in everyone[:300]]
            await one.register(more)
            await one.register([phone.again(call_id=f"new-{phone.user}") for phone in everyone[300:800]])
            await agrees(one, page, {ACME: 2800, BOLT: 1500, CORP: 900, "_unknown": 100})

            # 1,000 say goodbye, another 1,000 are just not heard of any more.
            await one.register([phone.again(expires=0) for phone in everyone[1000:2000]])
            await one.register([phone.again(expires=2) for phone in everyone[2000:3000]])
            await until("a thousand expire", lambda: _is(one, (3000, 3300)), seconds=_PATIENCE)
            left = {ACME: 1300.0, BOLT: 1000.0, CORP: 900.0, "_unknown": 100.0}
            await agrees(one, page, left)

            service.process.send_signal(signal.SIGKILL)
            await service.process.wait()
        # While nobody listens, some come and some go.
        await one.register([phone.again(expires=0) for phone in everyone[3000:3100]])
        await one.register([Phone(f"new{n}", CORP) for n in range(50)])
        async with serving(config) as service:
            page = pages(service)
            await agrees(one, page, left | {BOLT: 900.0, CORP: 950.0})
            await one.register([Phone(f"last{n}", ACME) for n in range(10)])
            await agrees(one, page, {ACME: 1310.0, BOLT: 900.0, CORP: 950.0, "_unknown": 100.0})


async def test_events_over_a_unix_socket_survive_restarts_of_either_side(tmp_path: Path, cache: Path) -> None:
    async with registrar(tmp_path, cache) as one:
        config = configured(tmp_path, one)
        few = [Phone(f"u{n}", ACME) for n in range(20)]
        async with serving(config) as service:
            page = pages(service)
            await until("the service listens", lambda: _is_known(page), seconds=_PATIENCE)
            await one.register(few)
            await agrees(one, page, {ACME: 20})
            service.process.send_signal(signal.SIGKILL)
            await service.process.wait()
        assert (tmp_path / "ev").is_socket(), "left behind"
        await one.register([phone.again(expires=0) for phone in few[:5]])
        async with serving(config) as service:
            page = pages(service)
            await agrees(one, page, {ACME: 15})
            with one.restarted() as again:
                await again.register([Phone("late", BOLT)])
                await agrees(again, page, {ACME: 15, BOLT: 1})
                await again.register([Phone("later", BOLT)])
                await agrees(again, page, {ACME: 15, BOLT: 2})
        assert not (tmp_path / "ev").exists()


async def test_a_table_that_is_written_late_takes_back_nothing_that_events_said(
    tmp_path: Path, cache: Path
) -> None:
    """Write-back with a timer of an hour: the table stays empty, whoever starts anew."""
    async with registrar(tmp_path, cache, mode="write-back", timer=3600) as one:
        config = configured(tmp_path, one, events=f"udp://127.0.0.1:{free_port(socket.SOCK_DGRAM)}")
        async with serving(config) as service:
            page = pages(service)
            await until("the service listens", lambda: _is_known(page), seconds=_PATIENCE)
            await one.register([Phone(f"u{n}", ACME) for n in range(50)])
            await agrees(one, page, {ACME: 50})
        done = await dialtone("collect", config, "--format", "json")
        assert done.code == 0, done.err
        assert "does usrloc write them" in done.out
        assert "opensips_tenant_contacts" not in done.out, "nobody knows, so nothing is shown"


async def test_who_says_goodbye_and_comes_back_before_usrlocs_timer_counts_once(
    tmp_path: Path, cache: Path
) -> None:
    """In write-back mode the timer ends what said goodbye, after it has come back as a new contact."""
    async with registrar(tmp_path, cache, mode="write-back", timer=2) as one:
        config = configured(tmp_path, one, events=f"udp://127.0.0.1:{free_port(socket.SOCK_DGRAM)}")
        everyone = [Phone(f"u{n}", ACME) for n in range(50)]
        async with serving(config) as service:
            page = pages(service)
            await until("the service listens", lambda: _is_known(page), seconds=_PATIENCE)
            await one.register(everyone)
            await until("the table is written", lambda: _rows(one, 50), seconds=_PATIENCE)
            left = [phone.again(expires=0) for phone in everyone[:20]]
            await one.register(left)
            await one.register([phone.again(expires=3600) for phone in left[:10]])
            await until("the timer comes", lambda: _is(one, (40, 40)), seconds=_PATIENCE)
            await agrees(one, page, {ACME: 40})


async def test_without_events_the_table_is_counted(tmp_path: Path, cache: Path) -> None:
    async with registrar(tmp_path, cache) as one:
        await one.register([Phone(f"u{n}", ACME) for n in range(30)])
        await one.register([Phone(f"u{n}", STRANGER, expires=1) for n in range(2)])
        await until("two expire", lambda: _is(one, (30, 30)), seconds=_PATIENCE)
        config = configured(tmp_path, one, events=None)
        async with serving(config) as service:
            await agrees(one, pages(service), {ACME: 30})
        done = await dialtone("collect", config, "--format", "json")
        assert "opensips_tenant_contacts" in done.out, "one poll is enough"


async def test_presence_is_counted_in_its_tables_by_tenant_and_event(tmp_path: Path, cache: Path) -> None:
    async with registrar(tmp_path, cache) as one:
        async with connected(one.database.socket) as session:
            await session.rows("USE opensips")
            for user, domain, event, etag, lives in (
                ("1", ACME, "dialog", "a", 60),
                ("1", ACME, "dialog", "b", 60),  # the same user from another device
                ("2", ACME, "dialog", "c", -1),
                ("3", BOLT, "presence", "d", 60),
            ):
                await session.rows(
                    "INSERT INTO presentity (username, domain, event, etag, expires, received_time)"
                    " VALUES (%s, %s, %s, %s, UNIX_TIMESTAMP() + %s, 0)",
                    *(user, domain, event, etag, lives),
                )
            for number, (uri, lives) in enumerate(
                ((f"sip:1@{ACME}", 60), (f"sip:1@{ACME};x=y", 60), (f"sip:{BOLT}", 60), (f"sip:2@{ACME}", -1))
            ):
                await session.rows(
                    "INSERT INTO active_watchers (presentity_uri, watcher_username, watcher_domain, to_user,"
                    " to_domain, event, to_tag, from_tag, callid, local_cseq, remote_cseq, contact, expires,"
                    " socket_info, local_contact)"
                    " VALUES (%s, 'w', 'w', 'u', 'd', 'dialog', %s, 'f', 'c', 1, 1, 'sip:w',"
                    " UNIX_TIMESTAMP() + %s, 's', 'l')",
                    *(uri, str(number), lives),
                )
        async with serving(configured(tmp_path, one, events=None)) as service:
            page = pages(service)
            await until("the table is counted", lambda: _is_known(page), seconds=_PATIENCE)
            now = await page()
            assert figures(now, "opensips_tenant_presentities") == {ACME: 1, BOLT: 1}
            assert figures(now, "opensips_tenant_watchers") == {ACME: 2, BOLT: 1}
            assert now.one("opensips_tenant_watchers", tenant=ACME, event="dialog") == 2


async def test_a_table_with_dates_is_read_as_one_with_seconds_is(tmp_path: Path, cache: Path) -> None:
    """As 1.11 to 2.1 have it: a contact that lives, one that never expires, two that have expired."""
    async with registrar(tmp_path, cache, mode="write-back") as one:
        async with connected(one.database.socket) as session:
            await session.rows("USE opensips")
            await session.rows("ALTER TABLE location MODIFY expires DATETIME NOT NULL")
            for user, seconds in (("lives", 60), ("never", None), ("just", -30), ("old", -3600)):
                await session.rows(
                    "INSERT INTO location (username, domain, contact, expires, callid, cseq) VALUES"
                    " (%s, %s, 'sip:a', COALESCE(NOW() + INTERVAL %s SECOND, '1970-01-01'), 'c', 1)",
                    *(user, ACME, seconds),
                )
        database = Database(f"mysql://{one.database.address}", "opensips", "dialtone", Secret(PASSWORD))
        async with Tables(database).session() as tables:
            found = {row.user: row.is_gone async for row in tables.contacts()}
            assert found == {"lives": False, "never": False, "just": True}
            assert await tables.census() == {ACME: Registered(2, 2)}


async def _is_known(page: Pages) -> bool:
    return (await page()).one("opensips_tenant_contacts", tenant=ACME) is not None


async def _is(one: Registrar, numbers: tuple[int, int]) -> bool:
    return await one.numbers() == numbers


async def _rows(one: Registrar, number: int) -> bool:
    async with connected(one.database.socket) as session:
        (found,) = await session.rows("SELECT COUNT(*) AS number FROM opensips.location")
    return bool(found["number"] == number)


async def test_a_server_that_keeps_no_list_in_memory_has_its_table_counted(
    tmp_path: Path, cache: Path
) -> None:
    """sql-only: its own count is 0 whoever is registered, and that is nobody's figure."""
    async with registrar(tmp_path, cache, mode="only") as one:
        events = f"udp://127.0.0.1:{free_port(socket.SOCK_DGRAM)}"
        config = configured(tmp_path, one, events=events)
        few = [Phone(f"u{n}", ACME) for n in range(30)]
        await one.register(few)
        assert await one.numbers() == (0, 0)
        async with serving(config) as service:
            page = pages(service)

            async def counted() -> bool:
                return figures(await page()) == {ACME: 30}

            await until("the table is counted", counted, seconds=_PATIENCE)
        config = configured(tmp_path, one, events=events, database=None)
        async with serving(config) as service:
            page = pages(service)
            await until("it is polled", lambda: _is_polled(page), seconds=_PATIENCE)
            await one.register([phone.again(call_id="new") for phone in few])
            await until("its events are heard", lambda: _has_heard(page, 30), seconds=_PATIENCE)
            now = await page()
            assert now.one("opensips_tenant_contacts", tenant=ACME) is None, "it says 0, and nobody knows"


async def test_without_a_database_a_lost_end_hides_the_figures_until_all_have_registered_once_more(
    tmp_path: Path, cache: Path
) -> None:
    async with registrar(tmp_path, cache) as one:
        port = free_port(socket.SOCK_DGRAM)
        config = configured(tmp_path, one, events=f"udp://127.0.0.1:{port}", database=None)
        few = [Phone(f"u{n}", ACME) for n in range(20)]
        async with serving(config) as service:
            page = pages(service)
            await until("it is polled", lambda: _is_polled(page), seconds=_PATIENCE)
            await one.register(few)
            await agrees(one, page, {ACME: 20})
            # What came and whose end was lost, as far as anybody here can know.
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
                for event in ("E_UL_AOR_INSERT", "E_UL_CONTACT_INSERT"):
                    values = {
                        "domain": "location",
                        "aor": f"x@{BOLT}",
                        "uri": "sip:x",
                        "callid": "x",
                        "cseq": 1,
                    }
                    body = {"jsonrpc": "2.0", "method": event, "params": values}
                    sock.sendto(json.dumps(body).encode(), ("127.0.0.1", port))

            async def hidden() -> bool:
                return not await _is_known(page)

            await until("nothing is shown", hidden, seconds=_PATIENCE)
            await one.register([phone.again(expires=1800) for phone in few[:19]])
            await one.register([Phone("new", BOLT)])
            assert not await _is_known(page), "one has not registered again yet"
            await one.register([few[19].again(expires=1800)])
            await agrees(one, page, {ACME: 20, BOLT: 1})


async def _has_heard(page: Pages, updates: int) -> bool:
    heard = (await page()).one("opensips_registration_events_total", event="contact_update")
    return heard is not None and heard >= updates


async def _is_polled(page: Pages) -> bool:
    return bool((await page()).by("event", "opensips_registration_events_total", node="sip1"))
