"""Registrations of a node from its first poll on: gaps, resyncs, lagging tables, databases that are down."""

import asyncio
import gc
import json
import socket
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from collectors.opensips import OpensipsCollector, turns
from collectors.opensips.book import MAX_CONTACTS, MAX_CONTACTS_OF_ONE, REMEMBERED, Book
from collectors.opensips.client import READ_ONLY_COMMANDS, MiClient
from collectors.opensips.database import (
    CENSUS,
    CONTACTS,
    DEADLINE,
    EXPIRES_KIND,
    PRESENTITIES,
    WATCHERS,
    TablesSession,
)
from collectors.opensips.events import EVENTS, Event, EventKind
from collectors.opensips.registrations import CENSUS as MINUTE
from collectors.opensips.registrations import EXPIRES, LAG, RESYNC, Registrations
from dialtone.model import CollectError, CollectFailure, Database, Node, NodeKind, Secret
from tests.fakes.clock import FakeClock
from tests.fakes.mi import FakeMi, http
from tests.fakes.mi_old import FakeMiJson
from tests.fakes.mysql import SILENCE, Answer, FakeMysql, Refusal, Result
from tests.unit.opensips.conftest import Tenants, recorded

ACME, BD, QUIET = "acme.ntek.example.net", "bd.ntek.example.net", "quiet.ntek.example.net"
NO_EVENT = recorded("4.0.1", "events-subscribe-reply-E_NOSUCH_EVENT")
OK = recorded("4.0.1", "events-subscribe-reply-E_UL_AOR_INSERT")
NONE = {"example.net": 0.0, ACME: 0.0, BD: 0.0, QUIET: 0.0, "_unknown": 0.0}
USERS, CONTACTS_STAT = "usrloc:location-users", "usrloc:location-contacts"


def row(user: str, domain: str | None = ACME, *, gone: str = "0", cseq: int = 1) -> dict[str, str | None]:
    """Return a row of the table location: a phone with one contact."""
    uri, call_id = contact_of(user)
    return {
        "username": user,
        "domain": domain,
        "contact": uri,
        "callid": call_id,
        "cseq": str(cseq),
        "gone": gone,
    }


def contact_of(user: str) -> tuple[str, str]:
    return f"sip:{user}@127.0.0.1", f"call-{user}"


def tables(*rows: Mapping[str, str | None], **more: Answer) -> dict[str, Answer]:
    """Return a database's answers."""
    census = {
        domain: sum(one["domain"] == domain for one in rows)
        for domain in dict.fromkeys(one["domain"] for one in rows)
    }
    counted = [
        {"domain": domain, "aors": str(number), "contacts": str(number)} for domain, number in census.items()
    ]
    return {
        EXPIRES_KIND: Result([{"kind": "int"}]),
        CONTACTS: Result(rows),
        CENSUS: Result(counted),
        PRESENTITIES: more.get("presentities", Refusal(1146)),
        WATCHERS: more.get("watchers", Refusal(1146)),
    }


@dataclass
class Stage:
    """A server's MI and database, and what watches them. `count` is what the server counts itself."""

    mi: FakeMi
    mysql: FakeMysql
    clock: FakeClock
    registrations: Registrations
    path: Path
    version: str = "4.0.1"
    count: int | None = None
    lacks: Callable[[str], bool] = field(default=lambda _: False)

    async def poll(self) -> None:
        """Poll, and let what it started come to its end."""
        counted = {} if self.count is None else {USERS: float(self.count), CONTACTS_STAT: float(self.count)}
        await self.registrations.poll(counted, self.version)
        task = self.registrations._task
        if task is not None and self.mysql.answers.get(CONTACTS) is not SILENCE:
            await asyncio.wait({task}, timeout=10)

    def shown(self, metric: str = "registered_aors") -> dict[str, float]:
        """Return the values by tenant (and event); empty where there is no such metric."""
        samples, _ = self.registrations.told(Tenants())
        found = [sample for sample in samples if sample.metric == f"opensips_tenant_{metric}"]
        return {"/".join((s.labels[1], *s.labels[3:])): s.value for s in found}

    def total(self, metric: str, label: str | None = None) -> float | None:
        """Return a value of the node itself."""
        samples, _ = self.registrations.told(Tenants())
        found = [s for s in samples if s.metric == f"opensips_registration_{metric}"]
        return next((s.value for s in found if label in (None, *s.labels)), None)

    @property
    def notes(self) -> dict[str, str]:
        return self.registrations.told(Tenants())[1]

    @property
    def subscribed(self) -> list[str]:
        """Return the events of the subscriptions that were sent."""
        asked = [json.loads(body) for body in self.mi.requests]
        return [one["params"]["event"] for one in asked if one["method"] == "event_subscribe"]

    def send(
        self, name: str, user: str, domain: str = ACME, cseq: int = 2, aor: str = "", expires: int = 0
    ) -> None:
        """Send an event of a phone as the server does, and have it read."""
        uri, call_id = contact_of(user)
        values = {"domain": "location", "aor": aor or f"{user}@{domain}", "uri": uri, "callid": call_id}
        body = {"jsonrpc": "2.0", "method": name, "params": values | {"cseq": cseq, "expires": expires}}
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
            sock.sendto(json.dumps(body).encode(), str(self.path))
        listener = self.registrations._listener
        assert listener is not None
        while listener.take_some():
            pass

    def comes(self, *users: str, domain: str = ACME) -> None:
        for user in users:
            self.send("E_UL_AOR_INSERT", user, domain)
            self.send("E_UL_CONTACT_INSERT", user, domain)

    def goes(self, *users: str, domain: str = ACME) -> None:
        for user in users:
            self.send("E_UL_CONTACT_DELETE", user, domain)
            self.send("E_UL_AOR_DELETE", user, domain)


@asynccontextmanager
async def stage(
    folder: Path,
    clock: FakeClock,
    answers: Mapping[str, Answer] | None = None,
    *,
    events: bool = True,
    endpoint: str | None = None,
) -> AsyncIterator[Stage]:
    """Run a node's MI and its database for the time of the block; no `answers`: the node has none."""
    path = folder / "ev"
    async with FakeMi({}).running() as mi, FakeMysql(dict(answers or {})).running() as mysql:
        database = Database(endpoint or mysql.endpoint, "opensips", "dialtone", Secret("sesame"))
        node = Node(
            "sip1",
            NodeKind.OPENSIPS,
            mi.url,
            timeout=8.0,
            options={"events": f"unix://{path}"} if events else {},
            database=database if answers is not None else None,
        )
        client = MiClient(mi.url, deadline=5.0)
        one = Stage(mi, mysql, clock, Registrations(node, client, clock), path)

        def answer(request: dict[str, object]) -> bytes:
            params = request["params"]
            assert isinstance(params, dict)
            reply = NO_EVENT if one.lacks(params["event"]) else OK
            return http(json.dumps(json.loads(reply) | {"id": request["id"]}).encode())

        mi.misbehave = answer
        try:
            yield one
        finally:
            await one.registrations.aclose()
            await client.aclose()


async def test_the_first_poll_subscribes_reads_the_table_and_shows_every_tenant(
    tmp_path: Path, clock: FakeClock
) -> None:
    rows = [row("1"), row("2"), row("3", BD), row("4", "stranger.example"), row("5", gone="1")]
    async with stage(tmp_path, clock, tables(*rows)) as one:
        await one.poll()
        assert one.subscribed == list(EVENTS)
        assert one.shown() == NONE | {ACME: 2, BD: 1, "_unknown": 1}
        assert one.shown("contacts") == one.shown()
        assert one.notes == {"unknown domains of registrations": "stranger.example"}
        assert one.total("resync_age_seconds") == 0


async def test_what_events_say_is_shown_at_once(tmp_path: Path, clock: FakeClock) -> None:
    async with stage(tmp_path, clock, tables(row("1"))) as one:
        await one.poll()
        one.comes("2")
        one.comes("3", domain=BD)
        assert one.shown() == NONE | {ACME: 2, BD: 1}
        one.goes("1", "2")
        assert one.shown() == NONE | {BD: 1}
        one.send("E_UL_CONTACT_UPDATE", "3", BD)
        assert one.shown("contacts") == NONE | {BD: 1}
        assert one.total("events_total", "aor_insert") == 2
        assert one.total("events_total", "contact_update") == 1
        assert one.total("corrections_total") == 0


async def test_one_tenants_registrations_never_count_as_anothers(tmp_path: Path, clock: FakeClock) -> None:
    async with stage(tmp_path, clock, tables()) as one:
        await one.poll()
        one.comes("1", domain=f"new.{ACME}")
        one.comes("2", domain=ACME.upper())
        assert one.shown() == NONE | {ACME: 1, "_unknown": 1}


async def test_a_subscription_is_renewed_at_a_third_of_its_life(tmp_path: Path, clock: FakeClock) -> None:
    async with stage(tmp_path, clock, tables()) as one:
        await one.poll()
        await clock.advance(EXPIRES / 3 - 1)
        await one.poll()
        assert len(one.subscribed) == len(EVENTS)
        await clock.advance(1)
        await one.poll()
        assert len(one.subscribed) == 2 * len(EVENTS)
        assert json.loads(one.mi.requests[-1])["params"] == {
            "event": "E_UL_CONTACT_DELETE",
            "socket": f"unix:{one.path}",
            "expire": "600",
        }


async def test_after_a_restart_of_the_server_nothing_of_before_is_shown(
    tmp_path: Path, clock: FakeClock
) -> None:
    async with stage(tmp_path, clock, tables(row("1"))) as one:
        await one.poll()
        one.mysql.answers = tables(row("2", BD))
        one.registrations.forget()
        assert not one.shown(), "nobody knows until the table is read again"
        await one.poll()
        assert one.subscribed == 2 * list(EVENTS)
        assert one.shown() == NONE | {BD: 1}


async def test_a_subscription_that_lapsed_is_a_gap(tmp_path: Path, clock: FakeClock) -> None:
    async with stage(tmp_path, clock, tables(row("1"))) as one:
        await one.poll()
        one.comes("lost-its-end")
        await clock.advance(EXPIRES)
        await one.poll()
        assert one.shown() == NONE | {ACME: 1}
        assert one.total("corrections_total") == 0, "a gap is no loss of events"


async def test_a_resync_mends_what_lost_events_left(tmp_path: Path, clock: FakeClock) -> None:
    async with stage(tmp_path, clock, tables(row("1"), row("2"))) as one:
        await one.poll()
        one.mysql.answers = tables(row("2"), row("3"), row("4", BD))
        await clock.advance(RESYNC / 2)
        await one.poll()
        assert one.shown() == NONE | {ACME: 2}, "not yet due"
        await clock.advance(RESYNC / 2)
        await one.poll()
        assert one.shown() == NONE | {ACME: 2, BD: 1}
        assert one.total("corrections_total") == 3


async def test_a_resync_believes_events_of_the_last_two_minutes_before_a_lagging_table(
    tmp_path: Path, clock: FakeClock
) -> None:
    async with stage(tmp_path, clock, tables(row("old"), row("gone"))) as one:
        await one.poll()
        one.comes("early")
        await clock.advance(EXPIRES / 3)
        await one.poll()
        await clock.advance(EXPIRES / 3)
        await one.poll()
        await clock.advance(EXPIRES / 3 - LAG + 1)
        one.comes("late")
        one.goes("gone")
        await clock.advance(LAG - 1)
        await one.poll()
        assert one.shown() == NONE | {ACME: 2}, "old and late; early has no row, gone has one still"
        assert one.total("corrections_total") == 1


async def test_events_that_come_while_the_table_is_read_are_not_lost(
    tmp_path: Path, clock: FakeClock
) -> None:
    async with stage(tmp_path, clock, tables() | {CONTACTS: SILENCE}) as one:
        polling = asyncio.create_task(one.poll())
        async with asyncio.timeout(10):
            await one.mysql.asked.wait()
        one.comes("1", "2")
        one.goes("2")
        polling.cancel()
        await asyncio.gather(polling, return_exceptions=True)
        one.mysql.answers = tables(row("2"), row("3"))
        task = one.registrations._task
        assert task is not None
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        one.registrations._task = None
        await one.poll()
        assert one.shown() == NONE | {ACME: 2}, "1 and 3"


async def test_numbers_that_go_on_differing_from_the_servers_own_bring_a_resync(
    tmp_path: Path, clock: FakeClock
) -> None:
    async with stage(tmp_path, clock, tables(row("1"))) as one:
        one.count = 1
        await one.poll()
        await clock.advance(60)
        one.mysql.answers = tables(row("1"), row("2"))
        one.count = 2
        for _ in range(2):
            await one.poll()
            await clock.advance(15)
        assert one.shown() == NONE | {ACME: 1}
        await one.poll()
        assert one.shown() == NONE | {ACME: 2}
        assert one.total("corrections_total") == 1
        await one.poll()
        asked = one.mysql.statements.count(CONTACTS)
        one.count = 7
        for _ in range(30):
            await one.poll()
            await clock.advance(15)
        assert not one.shown(), "there are 7, and nobody knows whose"
        assert one.mysql.statements.count(CONTACTS) <= asked + 4, (
            "a table that can't help is asked less and less"
        )


async def test_a_server_that_forgot_the_subscription_unnoticed_is_subscribed_to_again(
    tmp_path: Path, clock: FakeClock
) -> None:
    async with stage(tmp_path, clock, tables(row("1"))) as one:
        one.count = 1
        await one.poll()
        one.count = 2
        for _ in range(3):
            assert one.subscribed == list(EVENTS)
            await clock.advance(15)
            await one.poll()
        assert one.subscribed == 2 * list(EVENTS)


async def test_a_lost_end_of_a_moment_ago_is_mended_where_the_table_agrees_with_the_server(
    tmp_path: Path, clock: FakeClock
) -> None:
    async with stage(tmp_path, clock, tables(row("1"))) as one:
        one.count = 1
        await one.poll()
        await clock.advance(60)
        one.comes("2")
        await one.poll()
        for _ in range(3):
            await clock.advance(15)
            await one.poll()
        assert one.shown() == NONE | {ACME: 1}, "its end was lost; the table and the server say so"


async def test_a_table_that_usrloc_does_not_write_is_not_believed(tmp_path: Path, clock: FakeClock) -> None:
    async with stage(tmp_path, clock, tables()) as one:
        one.count = 5
        await one.poll()
        assert not one.shown()
        assert "does usrloc write them" in one.notes["registrations"]


async def test_a_table_that_is_written_late_is_waited_for(tmp_path: Path, clock: FakeClock) -> None:
    async with stage(tmp_path, clock, tables(row("1"), row("2"))) as one:
        one.count = 3
        await one.poll()
        assert not one.shown()
        assert "does usrloc write them" in one.notes["registrations"]
        one.mysql.answers = tables(row("1"), row("2"), row("3", BD))
        await clock.advance(60)
        await one.poll()
        assert one.shown() == NONE | {ACME: 2, BD: 1}
        assert not one.notes


async def test_what_has_expired_and_the_server_still_counts_is_not_missing(
    tmp_path: Path, clock: FakeClock
) -> None:
    async with stage(tmp_path, clock, tables(row("1"), row("2", gone="1"))) as one:
        one.count = 2
        await one.poll()
        assert one.shown() == NONE | {ACME: 1}


async def test_late_events_make_a_late_table_whole(tmp_path: Path, clock: FakeClock) -> None:
    async with stage(tmp_path, clock, tables(row("1"), row("2"))) as one:
        one.count = 3
        await one.poll()
        one.send("E_UL_CONTACT_UPDATE", "3", BD)
        await clock.advance(15)
        await one.poll()
        assert one.shown() == NONE | {ACME: 2, BD: 1}


async def test_a_table_further_off_than_events_is_not_believed(tmp_path: Path, clock: FakeClock) -> None:
    async with stage(tmp_path, clock, tables(row("1"), row("2"))) as one:
        one.count = 2
        await one.poll()
        one.mysql.answers = tables(row("1"))
        await clock.advance(RESYNC)
        one.registrations._subscribed_at = clock.monotonic()
        await one.poll()
        assert one.shown() == NONE | {ACME: 2}
        assert "does usrloc write them" in one.notes["registrations"]


async def test_without_a_database_nothing_is_shown_until_the_server_counts_as_many(
    tmp_path: Path, clock: FakeClock
) -> None:
    async with stage(tmp_path, clock) as one:
        one.count = 2
        await one.poll()
        one.send("E_UL_CONTACT_UPDATE", "1")
        await one.poll()
        assert not one.shown()
        assert not one.shown("contacts")
        assert "database" in one.notes["registrations"]
        one.send("E_UL_CONTACT_UPDATE", "2")
        await one.poll()
        assert one.shown() == NONE | {ACME: 2}
        assert "registrations" not in one.notes
        one.count = 4
        for _ in range(3):
            await one.poll()
        assert not one.shown(), "events were lost, and nobody can say which"


async def test_a_server_that_says_no_number_of_its_own_is_not_guessed_at(
    tmp_path: Path, clock: FakeClock
) -> None:
    async with stage(tmp_path, clock) as one:
        await one.poll()
        one.comes("1")
        await one.poll()
        assert not one.shown()


async def test_a_lost_end_is_no_loss_for_ever_without_a_database(tmp_path: Path, clock: FakeClock) -> None:
    async with stage(tmp_path, clock) as one:
        one.count = 2
        await one.poll()
        one.comes("1", "2")
        await one.poll()
        assert one.shown() == NONE | {ACME: 2}
        one.count = 1
        for _ in range(3):
            await clock.advance(15)
            await one.poll()
        assert not one.shown(), "the end of 2 was lost"
        assert "events were lost" in one.notes["registrations"]
        one.send("E_UL_CONTACT_UPDATE", "1")
        await clock.advance(15)
        await one.poll()
        assert one.shown() == NONE | {ACME: 1}
        assert "registrations" not in one.notes


async def test_what_expired_and_was_not_told_of_as_gone_is_taken_out(
    tmp_path: Path, clock: FakeClock
) -> None:
    """A registrar's timer ends hundreds at once: no events are lost more easily."""
    async with stage(tmp_path, clock) as one:
        await one.poll()
        end = int(clock.now().timestamp()) + 60
        for user in ("1", "2", "3"):
            one.send("E_UL_CONTACT_INSERT", user, expires=end)
        one.send("E_UL_CONTACT_INSERT", "4", BD, expires=end + 3600)
        one.send("E_UL_CONTACT_INSERT", "for-ever")
        one.count = 5
        await one.poll()
        one.send("E_UL_CONTACT_UPDATE", "3", expires=end + 3600)
        await clock.advance(EXPIRES - 100)
        one.registrations._subscribed_at = clock.monotonic()
        one.count = 3
        for _ in range(3):
            await clock.advance(15)
            await one.poll()
        assert one.shown() == NONE | {ACME: 2, BD: 1}, "3, for-ever and 4"
        assert not one.notes


@pytest.mark.parametrize("clock_of_the_server", [-7200, 7200])
async def test_a_server_with_another_clock_loses_nobody_who_is_there(
    tmp_path: Path, clock: FakeClock, clock_of_the_server: int
) -> None:
    async with stage(tmp_path, clock) as one:
        await one.poll()
        end = int(clock.now().timestamp()) + 3600 + clock_of_the_server
        for user in ("1", "2", "3"):
            one.send("E_UL_CONTACT_INSERT", user, expires=end)
        one.count = 3
        await one.poll()
        assert one.shown() == NONE | {ACME: 3}
        one.count = 2
        for _ in range(3):
            await clock.advance(15)
            await one.poll()
        assert not one.shown(), "one of three is gone, and nobody can say which"


async def test_what_lost_events_leave_is_shown_again_whichever_were_lost(
    tmp_path: Path, clock: FakeClock
) -> None:
    """Two are not told of as new, one not as gone: the numbers agree while both lists are wrong."""
    async with stage(tmp_path, clock) as one:
        await one.poll()
        one.comes("gone", "1", "2")
        one.count = 3
        await one.poll()
        one.count = 4
        for _ in range(3):
            await clock.advance(15)
            await one.poll()
        assert not one.shown(), "3 and 4 came, and gone went"
        for user in ("1", "2", "3", "4"):
            one.send("E_UL_CONTACT_UPDATE", user)
        for _ in range(3):
            await clock.advance(15)
            await one.poll()
        for user in ("1", "2", "3", "4"):
            assert not one.shown(), "from the moment on that there are too many, they are told anew"
            one.send("E_UL_CONTACT_UPDATE", user)
            await clock.advance(15)
            await one.poll()
        assert one.shown() == NONE | {ACME: 4}


async def test_a_table_that_is_not_written_leaves_it_to_events_alone(
    tmp_path: Path, clock: FakeClock
) -> None:
    async with stage(tmp_path, clock, tables()) as one:
        one.count = 2
        await one.poll()
        one.send("E_UL_CONTACT_UPDATE", "1")
        await clock.advance(RESYNC)
        one.registrations._subscribed_at = clock.monotonic()
        await one.poll()
        assert not one.shown()
        one.send("E_UL_CONTACT_UPDATE", "2")
        await clock.advance(15)
        await one.poll()
        assert one.shown() == NONE | {ACME: 2}, "an empty table takes back nothing"
        one.count = 1
        for _ in range(9):
            await clock.advance(15)
            await one.poll()
        assert not one.shown(), "the end of 2 was lost"
        one.send("E_UL_CONTACT_UPDATE", "1")
        await one.poll()
        assert one.shown() == NONE | {ACME: 1}


async def test_a_server_that_counts_none_shows_no_zeros_before_it_has_counted_one(
    tmp_path: Path, clock: FakeClock
) -> None:
    """sql-only counts none whoever is registered, and sends events of contacts all the same."""
    async with stage(tmp_path, clock) as one:
        one.count = 0
        await one.poll()
        assert not one.shown()
        assert "sql-only" in one.notes["registrations"]
        one.send("E_UL_CONTACT_INSERT", "1")
        one.send("E_UL_CONTACT_DELETE", "1")
        await one.poll()
        assert not one.shown()
        one.comes("1")
        one.count = 1
        await one.poll()
        assert one.shown() == NONE | {ACME: 1}
        one.goes("1")
        one.count = 0
        await one.poll()
        assert one.shown() == NONE, "it keeps a list, and nobody is there"
        one.registrations.forget()
        await one.poll()
        assert not one.shown(), "it may have been restarted in another mode"


async def test_a_server_that_keeps_its_list_in_the_table_alone_has_it_counted(
    tmp_path: Path, clock: FakeClock
) -> None:
    async with stage(tmp_path, clock, tables(row("1"), row("2", BD))) as one:
        one.count = 0
        await one.poll()
        assert one.shown() == NONE | {ACME: 1, BD: 1}
        assert one.shown("contacts") == NONE | {ACME: 1, BD: 1}
        assert "sql-only" in one.notes["events/list"]
        one.send("E_UL_CONTACT_INSERT", "2", BD)
        one.mysql.answers = tables(row("1"))
        for _ in range(4):
            await clock.advance(MINUTE / 4)
            await one.poll()
        assert one.shown() == NONE | {ACME: 1}
        assert one.mysql.statements.count(CONTACTS) == 1


async def test_a_server_that_turns_out_to_keep_a_list_is_followed_by_events(
    tmp_path: Path, clock: FakeClock
) -> None:
    async with stage(tmp_path, clock, tables(row("1"))) as one:
        one.count = 0
        await one.poll()
        one.count = 1
        await clock.advance(1)
        await one.poll()
        assert not one.notes
        one.comes("2")
        assert one.shown() == NONE | {ACME: 2}


async def test_a_server_that_nobody_is_registered_at_any_more_is_shown_with_zeros(
    tmp_path: Path, clock: FakeClock
) -> None:
    async with stage(tmp_path, clock, tables(row("1"))) as one:
        one.count = 1
        await one.poll()
        one.goes("1")
        one.count = 0
        await clock.advance(RESYNC)
        one.registrations._subscribed_at = clock.monotonic()
        await one.poll()
        assert one.shown() == NONE, "though the table has a row of it still"


async def test_one_address_with_very_many_contacts_is_shown_and_named_and_hides_nobody(
    tmp_path: Path, clock: FakeClock
) -> None:
    async with stage(tmp_path, clock) as one:
        await one.poll()
        for number in range(MAX_CONTACTS_OF_ONE + 5):
            aor = f"many@{ACME}"
            one.registrations._take(Event(EventKind.CONTACT_INSERT, aor, f"sip:{number}", "c", number))
        one.comes("1", domain=BD)
        counted = {USERS: 2.0, CONTACTS_STAT: MAX_CONTACTS_OF_ONE + 6.0}
        for _ in range(4):
            await one.registrations.poll(counted, "4.0.1")
        assert one.shown() == NONE | {ACME: 1, BD: 1}
        assert one.shown("contacts") == NONE | {ACME: MAX_CONTACTS_OF_ONE, BD: 1}
        assert ACME in one.notes["registrations/contacts"]


async def test_one_address_with_very_many_rows_is_no_table_that_is_written_late(
    tmp_path: Path, clock: FakeClock
) -> None:
    many = [row("m") | {"contact": f"sip:{number}"} for number in range(MAX_CONTACTS_OF_ONE + 5)]
    async with stage(tmp_path, clock, tables(*many, row("1", BD))) as one:
        await one.registrations.poll({USERS: 2.0, CONTACTS_STAT: MAX_CONTACTS_OF_ONE + 6.0}, "4.0.1")
        await one.poll()
        assert one.shown() == NONE | {ACME: 1, BD: 1}
        assert list(one.notes) == ["registrations/contacts"]


async def test_a_list_that_was_too_long_begins_anew_once_the_server_counts_fewer(
    tmp_path: Path, clock: FakeClock
) -> None:
    async with stage(tmp_path, clock) as one:
        await one.poll()
        one.registrations._book = Book(most=1)
        one.comes("1", "2")
        one.count = MAX_CONTACTS
        await one.poll()
        assert "more than" in one.notes["registrations"]
        one.count = 2
        await one.poll()
        one.comes("1", "2")
        await one.poll()
        assert one.shown() == NONE | {ACME: 2}


async def test_a_table_without_a_column_is_said_and_the_polls_go_on(tmp_path: Path, clock: FakeClock) -> None:
    lacking = {name: value for name, value in row("1").items() if name != "callid"}
    async with stage(tmp_path, clock, tables(row("1")) | {CONTACTS: Result([lacking])}) as one:
        for _ in range(3):
            await one.poll()
            await clock.advance(15)
        assert "no column callid" in one.notes["database"]
        assert not one.shown()


async def test_whatever_comes_of_a_database_the_polls_go_on(
    tmp_path: Path, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fails(_: object) -> None:
        raise KeyError("sesame")

    async with stage(tmp_path, clock, tables(row("1"))) as one:
        with monkeypatch.context() as patch:
            patch.setattr(TablesSession, "presentities", fails)
            for _ in range(3):
                await one.poll()
        assert "KeyError" in one.notes["database"]
        assert "sesame" not in str(one.notes)
        await clock.advance(RESYNC / 2)
        one.registrations._subscribed_at = clock.monotonic()
        await one.poll()
        assert one.shown() == NONE | {ACME: 1}
        assert not one.notes


async def test_closing_takes_what_went_wrong_with_a_reading(
    tmp_path: Path, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    complaints: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context))

    async def fails(_: object) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            raise KeyError

    monkeypatch.setattr(TablesSession, "presentities", fails)
    async with stage(tmp_path, clock, tables(row("1"))) as one:
        one.registrations._node = replace(one.registrations._node, timeout=0.2)
        await one.registrations.poll({}, "4.0.1")
    gc.collect()
    assert not complaints


async def test_a_table_is_taken_in_with_turns_for_others(
    tmp_path: Path, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(turns, "_HELD", 0.0)
    paused = 0
    sleep = asyncio.sleep

    async def counted(seconds: float) -> None:
        nonlocal paused
        paused += not seconds
        await sleep(seconds)

    users = [str(number) for number in range(400)]
    async with stage(tmp_path, clock, tables(*map(row, users))) as one:
        await one.poll()
        await clock.advance(RESYNC)
        one.registrations._subscribed_at = clock.monotonic()
        one.comes(*users)
        monkeypatch.setattr(asyncio, "sleep", counted)
        await one.poll()
        monkeypatch.undo()
        assert paused >= 3 * len(users) / 20, "of rows, of differences, of what events touched"
        assert one.shown() == NONE | {ACME: 400}


def test_what_events_touched_is_remembered_as_long_as_a_reading_of_the_table_needs_it() -> None:
    assert REMEMBERED == LAG + DEADLINE


async def test_without_events_the_table_is_counted_each_minute(tmp_path: Path, clock: FakeClock) -> None:
    async with stage(tmp_path, clock, tables(row("1"), row("2", BD), row("3", None)), events=False) as one:
        await one.poll()
        assert one.shown() == NONE | {ACME: 1, BD: 1, "_unknown": 1}
        assert "use_domain" in one.notes["registrations/_unknown"]
        assert one.total("events_total") is None
        await clock.advance(MINUTE - 1)
        await one.poll()
        assert one.mysql.statements.count(CENSUS) == 1
        await clock.advance(1)
        await one.poll()
        assert one.mysql.statements.count(CENSUS) == 2
        assert CONTACTS not in one.mysql.statements
        assert not one.subscribed


async def test_counts_of_a_database_that_went_down_are_withheld_after_three_minutes(
    tmp_path: Path, clock: FakeClock
) -> None:
    async with stage(tmp_path, clock, tables(row("1")), events=False) as one:
        await one.poll()
        one.mysql.answers = {EXPIRES_KIND: Refusal(1053, "shutdown in progress")}
        for _ in range(3):
            await clock.advance(MINUTE)
            await one.poll()
        assert one.shown() == NONE | {ACME: 1}
        await clock.advance(1)
        assert not one.shown()
        assert "shutdown in progress" in one.notes["database"]


async def test_events_carry_the_figures_while_the_database_is_down(tmp_path: Path, clock: FakeClock) -> None:
    async with stage(tmp_path, clock, tables(row("1"))) as one:
        await one.poll()
        one.mysql.answers = {EXPIRES_KIND: Refusal(1053)}
        for _ in range(20):
            await clock.advance(RESYNC / 5)
            await one.poll()
        one.comes("2")
        assert one.shown() == NONE | {ACME: 2}
        assert "database" in one.notes


async def test_a_database_that_is_down_from_the_start_is_said_and_nothing_is_shown(
    tmp_path: Path, clock: FakeClock
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        endpoint = f"mysql://127.0.0.1:{nobody.getsockname()[1]}"
    async with stage(tmp_path, clock, {}, endpoint=endpoint) as one:
        one.count = 1
        await one.poll()
        assert not one.shown()
        assert "database" in one.notes
        assert "sesame" not in str(one.notes)
        await one.poll()


async def test_a_slow_database_does_not_hold_up_a_poll_and_is_let_go_at_the_end(
    tmp_path: Path, clock: FakeClock
) -> None:
    async with stage(tmp_path, clock, tables(row("1"))) as one:
        await one.poll()
        one.mysql.answers = tables() | {CONTACTS: SILENCE}
        await clock.advance(RESYNC)
        one.registrations._subscribed_at = clock.monotonic()
        async with asyncio.timeout(5):
            await one.poll()
            await one.poll()
        assert one.shown() == NONE | {ACME: 1}
        task = one.registrations._task
        assert task is not None
        assert not task.done()
    assert task.done()


async def test_a_server_without_event_datagram_is_said_and_its_table_is_counted(
    tmp_path: Path, clock: FakeClock
) -> None:
    async with stage(tmp_path, clock, tables(row("1"))) as one:
        one.lacks = lambda _: True
        await one.poll()
        assert "load event_datagram" in one.notes["events"]
        assert one.shown() == NONE | {ACME: 1}


@pytest.mark.parametrize("version", ["1.11.11-notls", "3.6.8"])
async def test_a_server_that_tells_of_addresses_alone_has_its_contacts_counted_in_the_table(
    tmp_path: Path, clock: FakeClock, version: str
) -> None:
    async with stage(tmp_path, clock, tables(row("1"), row("2", BD))) as one:
        one.version = version
        if not version.startswith("1."):
            one.lacks = lambda event: "CONTACT" in event
        await one.poll()
        one.send("E_UL_AOR_INSERT", "3")
        assert one.shown() == NONE | {ACME: 2, BD: 1}
        assert one.shown("contacts") == NONE | {ACME: 1, BD: 1}
        one.send("E_UL_AOR_DELETE", "2", BD)
        assert one.shown() == NONE | {ACME: 2}


async def test_a_socket_that_can_not_be_had_is_said_and_the_table_is_counted(
    tmp_path: Path, clock: FakeClock
) -> None:
    (tmp_path / "ev").write_text("in the way")
    async with stage(tmp_path, clock, tables(row("1"))) as one:
        await one.poll()
        assert "no socket" in one.notes["events"]
        assert one.registrations.unread == {"events": CollectFailure.CONNECT}
        assert one.shown() == NONE | {ACME: 1}
        assert not one.subscribed
    assert (tmp_path / "ev").read_text() == "in the way"


async def test_a_server_that_hangs_while_it_is_subscribed_to_fails_the_poll(
    tmp_path: Path, clock: FakeClock
) -> None:
    async with stage(tmp_path, clock, tables()) as one:
        one.mi.misbehave = lambda _: None
        one.registrations._client._deadline = 0.05
        with pytest.raises(CollectError) as caught:
            await one.poll()
        assert caught.value.failure is CollectFailure.TIMEOUT


async def test_presence_is_shown_by_tenant_and_event_and_falls_to_zero(
    tmp_path: Path, clock: FakeClock
) -> None:
    publishing = Result([{"domain": ACME, "event": "dialog", "number": "3"}])
    watching = Result([{"domain": "x.example", "event": "presence", "number": "2"}])
    async with stage(
        tmp_path, clock, tables(presentities=publishing, watchers=watching), events=False
    ) as one:
        await one.poll()
        assert one.shown("presentities") == {f"{ACME}/dialog": 3}
        assert one.shown("watchers") == {"_unknown/presence": 2}
        one.mysql.answers = tables(presentities=Result([]), watchers=Refusal(1146))
        await clock.advance(MINUTE)
        await one.poll()
        assert one.shown("presentities") == {f"{ACME}/dialog": 0}
        assert not one.shown("watchers"), "the table is gone: nobody knows"
        one.mysql.answers = tables(presentities=Refusal(1142, "SELECT command denied"), watchers=Result([]))
        await clock.advance(MINUTE)
        await one.poll()
        assert not one.shown("presentities")
        assert "denied" in one.notes["presence"]
        assert one.shown("watchers") == {"_unknown/presence": 0}


@pytest.mark.parametrize(
    ("answers", "unread"),
    [
        (tables(row("1"), presentities=Result([]), watchers=Result([])), {}),
        (tables(row("1")), {}),
        (tables(row("1"), watchers=Refusal(1142, "denied")), {"presence": CollectFailure.DENIED}),
        ({EXPIRES_KIND: Refusal(1045, "Access denied")}, {"database": CollectFailure.AUTH}),
        (tables(row("1")) | {EXPIRES_KIND: Result([])}, {"database": CollectFailure.DENIED}),
        (tables(row("1")) | {CENSUS: Refusal(1194, "crashed")}, {"database": CollectFailure.SERVER}),
    ],
)
async def test_what_could_not_be_read_is_known_by_its_reason_until_it_can_be(
    tmp_path: Path,
    clock: FakeClock,
    answers: dict[str, Answer],
    unread: Mapping[str, CollectFailure],
) -> None:
    async with stage(tmp_path, clock, tables() | answers, events=False) as one:
        await one.poll()
        assert one.registrations.unread == unread
        assert one.notes.keys() >= unread.keys()
        one.mysql.answers = tables(row("1"))
        await clock.advance(10 * MINUTE)
        await one.poll()
        assert not one.registrations.unread


async def test_events_of_presence_are_told_apart_up_to_twenty(tmp_path: Path, clock: FakeClock) -> None:
    names = [*(f"e{number:02}" for number in range(25)), "no name", "x" * 33]
    rows: Sequence[dict[str, str | None]] = [{"domain": ACME, "event": name, "number": "1"} for name in names]
    async with stage(tmp_path, clock, tables(presentities=Result(rows)), events=False) as one:
        await one.poll()
        assert list(one.shown("presentities")) == [f"{ACME}/e{number:02}" for number in range(20)]
        assert one.notes["presence/events"].startswith("7 entries")


async def test_a_node_without_either_says_nothing(tmp_path: Path, clock: FakeClock) -> None:
    async with stage(tmp_path, clock, events=False) as one:
        one.count = 5
        await one.poll()
        assert one.registrations.told(Tenants()) == ((), {})


async def test_the_collector_shows_registrations_and_notices_a_restart(
    tmp_path: Path, clock: FakeClock, replies: dict[str, bytes], tenants: Tenants
) -> None:
    replies["event_subscribe"] = OK
    counted = json.loads(replies["get_statistics"])
    counted["result"] |= {USERS: 1, CONTACTS_STAT: 1}
    replies["get_statistics"] = json.dumps(counted).encode()
    path = tmp_path / "ev"
    async with FakeMi(replies).running() as mi, FakeMysql(tables(row("1"))).running() as mysql:
        database = Database(mysql.endpoint, "opensips", "dialtone", Secret("sesame"))
        options = {"events": f"unix://{path}"}
        node = Node("sip1", NodeKind.OPENSIPS, mi.url, timeout=8.0, options=options, database=database)
        collector = OpensipsCollector(node, tenants, clock)
        first = await collector.collect()
        younger = json.loads(replies["get_statistics"])
        younger["result"] |= {"core:timestamp": 1, USERS: 2, CONTACTS_STAT: 2}
        mi.replies = dict(replies) | {"get_statistics": json.dumps(younger).encode()}
        mysql.answers = tables(row("1"), row("2"))
        await clock.advance(15)
        second = await collector.collect()
        await collector.aclose()
    assert [
        sum(s.value for s in reading.samples if s.metric == "opensips_tenant_registered_aors")
        for reading in (first, second)
    ] == [1, 2]
    asked = [json.loads(body)["method"] for body in mi.requests]
    assert asked.count("event_subscribe") == 2 * len(EVENTS)
    assert set(asked) <= READ_ONLY_COMMANDS
    assert not path.exists()


async def test_an_older_server_gets_the_socket_of_a_subscription_as_it_is() -> None:
    old = FakeMiJson({"event_subscribe": b""})
    async with old.running() as server, MiClient(server.url, deadline=5.0) as client:
        assert await client.subscribe("E_UL_AOR_INSERT", "unix:/run/dialtone/ev", 600) is None
        await client.subscribe("E_UL_AOR_INSERT", "udp:127.0.0.1:5490", 600)
    assert server.requests == [
        "event_subscribe?E_UL_AOR_INSERT,unix:/run/dialtone/ev,600",
        "event_subscribe?E_UL_AOR_INSERT,udp:127.0.0.1:5490,600",
    ]


async def test_what_tells_of_registrations_is_a_figure_and_its_loss_a_line_of_the_log(
    tmp_path: Path, clock: FakeClock
) -> None:
    async with stage(tmp_path, clock, tables(row("1"))) as one:
        one.lacks = lambda _: True
        with capture_logs() as said:
            await one.poll()
            await one.poll()
            assert (one.total("source_up", "events"), one.total("source_up", "database")) == (0, 1)
            one.lacks = lambda _: False
            await one.poll()
        assert (one.total("source_up", "events"), one.total("source_up", "database")) == (1, 1)
    assert [line["event"] for line in said] == ["opensips.no-events", "opensips.events-back"]
    assert "load event_datagram" in said[0]["error"]


async def test_a_node_without_events_and_database_has_no_source_to_lose(
    tmp_path: Path, clock: FakeClock
) -> None:
    async with stage(tmp_path, clock, events=False) as one:
        await one.poll()
        assert one.total("source_up") is None


async def test_presence_that_can_not_be_read_holds_no_registrations_up(
    tmp_path: Path, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def late(_: object) -> None:
        raise CollectError(CollectFailure.TIMEOUT, "not done in 30 s")

    monkeypatch.setattr(TablesSession, "presentities", late)
    async with stage(tmp_path, clock, tables(row("1")), events=False) as one:
        await one.poll()
        assert one.shown() == NONE | {ACME: 1}
        assert one.notes["database"]
