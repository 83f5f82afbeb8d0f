"""Rows that this version can't read: they are named in the log, stay, and take no other down."""

import sqlite3
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Final

import pytest
from structlog.testing import capture_logs

from dialtone.model import Engine, Found, MediaStream, MessageState, Outcome, Scope, TimingTotals, TrafficMark
from dialtone.store import SqliteStore, open_store
from tests.fakes.records import NOON, a_message, a_result, a_stream, an_alert

ALICE: Final = Scope.everything()
PASSED: Final = (Outcome.PASS, "")


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    made = await open_store(tmp_path)
    yield made
    await made.aclose()


@pytest.fixture
def raw(store: SqliteStore, tmp_path: Path) -> Iterator[sqlite3.Connection]:
    """A connection of another program (needs the store to have made the file)."""
    connection = sqlite3.connect(tmp_path / "dialtone.sqlite3", isolation_level=None)
    yield connection
    connection.close()


async def waiting(store: SqliteStore, limit: int | None = None) -> list[str]:
    return [entry.message.key for entry in await store.outbox(MessageState.WAITING, limit=limit)]


DAMAGE: Final = {
    "a severity of a newer version": "replace(events, 'critical', 'catastrophic')",
    "a column that is missing": "replace(events, 'fingerprint', 'thumbprint')",
    "half of it": "substr(events, 1, length(events) / 2)",
    "no JSON": "'gone'",
    "JSON of something else": "'7'",
    "a list of something else": "'[7]'",
    "far too deep": f"'{'[' * 100_000}'",
    "an instant past all instants": f"replace(events, '{NOON.timestamp():.0f}000000', '9e17')",
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
async def test_a_message_that_can_not_be_read_holds_up_no_other(
    store: SqliteStore, raw: sqlite3.Connection, damage: str
) -> None:
    await store.put_alerts([], [a_message(key) for key in "abc"])
    raw.execute(f"UPDATE outbox SET events = {damage} WHERE key = 'a'")  # noqa: S608 - of the table above
    with capture_logs() as logs:
        assert await waiting(store) == ["b", "c"]
        # Nor does it use up the room of the first one that can be read.
        assert await waiting(store, limit=1) == ["b"]
        assert [entry.message.key for entry in await store.outbox()] == ["b", "c"]
    [log] = logs
    assert (log["event"], log["table"], log["key"]) == ("store.row_unreadable", "outbox", "a")
    assert log["log_level"] == "error"


async def test_a_message_that_can_not_be_read_stays_and_is_there_for_who_can(
    store: SqliteStore, raw: sqlite3.Connection
) -> None:
    await store.put_alerts([], [a_message("a")])
    raw.execute("UPDATE outbox SET events = replace(events, 'critical', 'catastrophic')")
    assert await waiting(store) == []
    assert await store.prune_messages(NOON.replace(year=9999)) == 0
    raw.execute("UPDATE outbox SET events = replace(events, 'catastrophic', 'critical')")
    assert [entry.message for entry in await store.outbox()] == [a_message("a")]


async def test_an_alert_of_a_newer_version_takes_no_other_down(
    store: SqliteStore, raw: sqlite3.Connection
) -> None:
    await store.put_alerts([an_alert("a"), an_alert("b")])
    raw.execute("UPDATE alerts SET state = 'silenced' WHERE fingerprint = 'a'")
    with capture_logs() as logs:
        assert await store.alerts(ALICE) == [an_alert("b")]
        assert await store.alerts(ALICE) == [an_alert("b")]
    assert [(log["table"], log["key"]) for log in logs] == [("alerts", "a")]


@pytest.mark.parametrize("damage", ["[", "{}", "[7]", "7", "null"])
async def test_an_alert_whose_tenants_can_not_be_read_takes_no_other_down(
    store: SqliteStore, raw: sqlite3.Connection, damage: str
) -> None:
    await store.put_alerts([an_alert("a"), an_alert("b", tenants=("acme.example",), tenants_total=1)])
    raw.execute("UPDATE alerts SET tenants = ? WHERE fingerprint = 'a'", (damage,))
    with capture_logs() as logs:
        [alert] = await store.alerts(ALICE)
    assert alert.tenants == ("acme.example",)
    assert [(log["table"], log["key"]) for log in logs] == [("alerts", "a")]


async def test_a_probe_that_can_not_be_read_is_adopted_once_it_can(
    store: SqliteStore, raw: sqlite3.Connection
) -> None:
    for result_id in ("a", "b"):
        await store.begin_result(a_result(result_id))
        assert await store.lease_accounts(
            [f"100@{result_id}"], result_id, now=NOON, until=NOON.replace(day=9)
        )
    raw.execute("UPDATE unended SET engine = 'pjsua' WHERE id = 'a'")
    with capture_logs() as logs:
        assert await store.adopt_unended() == [a_result("b")]
    assert [(log["table"], log["key"]) for log in logs] == [("unended", "a")]
    raw.execute("UPDATE unended SET engine = 'sippy'")
    assert await store.adopt_unended() == [a_result("a")]


async def test_totals_of_a_newer_version_are_left_out_and_left_alone(
    store: SqliteStore, raw: sqlite3.Connection
) -> None:
    await store.add_results([a_result("a"), a_result("b", engine=Engine.SIPP)])
    raw.execute("UPDATE probe_outcomes SET engine = 'pjsua' WHERE engine = 'sippy'")
    raw.execute("UPDATE probe_timings SET engine = 'pjsua' WHERE engine = 'sippy'")
    with capture_logs() as logs:
        [totals] = await store.probe_totals(ALICE)
    assert (totals.engine, totals.outcomes) == (Engine.SIPP, {PASSED: 1})
    assert {log["table"] for log in logs} == {"probe_outcomes", "probe_timings"}
    await store.add_results([a_result("c")])
    assert raw.execute("SELECT count FROM probe_outcomes WHERE engine = 'pjsua'").fetchall() == [(1,)]
    assert [one.outcomes for one in await store.probe_totals(ALICE)] == [{PASSED: 1}, {PASSED: 1}]


@pytest.mark.parametrize(
    "damage",
    [
        "[",
        "{}",
        "null",
        "7",
        "[7]",
        "[{}]",
        '[{"found": "voice"}]',
        '[{"speaker": "a", "listener": "b", "found": "music"}]',
        '[{"speaker": "a", "listener": "b", "found": "voice", "mos": NaN}]',
        '[{"speaker": "a", "listener": "b", "found": "voice", "received": "many"}]',
        "[" * 100_000,
    ],
)
async def test_a_result_whose_media_can_not_be_read_is_there_without_them(
    store: SqliteStore, raw: sqlite3.Connection, damage: str
) -> None:
    whole = a_result("b", media=(a_stream(),))
    await store.add_results([a_result("a", media=(a_stream(),)), whole])
    raw.execute("UPDATE results SET media = ? WHERE id = 'a'", (damage,))
    assert await store.results(ALICE) == [whole, a_result("a")]


async def test_a_direction_of_another_version_is_read_as_far_as_it_is_known(
    store: SqliteStore, raw: sqlite3.Connection
) -> None:
    await store.add_results([a_result("a", media=(a_stream(),))])
    row = '[{"speaker": "caller", "listener": "callee", "found": "voice", "loudness": -20, "mos": 4}]'
    raw.execute("UPDATE results SET media = ?", (row,))
    [result] = await store.results(ALICE)
    assert result.media == (MediaStream("caller", "callee", Found.VOICE, mos=4),)


async def test_media_that_were_counted_by_other_bounds_or_figures_begin_anew(
    store: SqliteStore, raw: sqlite3.Connection
) -> None:
    await store.add_results([a_result("a", media=(a_stream(),))])
    raw.execute("UPDATE probe_media SET bounds = '[1.0, 2.0]' WHERE figure = 'mos'")
    raw.execute("UPDATE probe_media SET figure = 'loudness' WHERE figure = 'rtt'")
    with capture_logs() as logs:
        [before] = await store.probe_totals(ALICE)
        await store.add_results([a_result("b", media=(a_stream(),))])
        [after] = await store.probe_totals(ALICE)
    assert logs == []
    assert before.media.keys() == {("callee", "loss_ratio"), ("callee", "jitter")}
    counts = {figure: sum(of.counts) for (_, figure), of in after.media.items()}
    assert counts == {"mos": 1, "rtt": 1, "loss_ratio": 2, "jitter": 2}


async def test_a_timing_that_was_counted_by_other_bounds_begins_anew(
    store: SqliteStore, raw: sqlite3.Connection
) -> None:
    await store.add_results([a_result("a", timings={"srd": 0.25, "pdd": 0.5})])
    raw.execute("UPDATE probe_timings SET bounds = '[0.1, 0.2]' WHERE timing = 'srd'")
    with capture_logs() as logs:
        [before] = await store.probe_totals(ALICE)
        await store.add_results([a_result("b", timings={"srd": 0.25, "pdd": 0.5})])
        [after] = await store.probe_totals(ALICE)
    assert logs == []
    assert set(before.timings) == {"pdd"}
    assert after.timings["srd"] == TimingTotals((0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0), 0.25)
    assert (sum(after.timings["pdd"].counts), after.outcomes) == (2, {PASSED: 2})


@pytest.mark.parametrize("damage", ["'{\"invite\": 1.5}'", "'[1]'", "'{'", '\'{"invite": "many"}\''])
async def test_a_tenants_mark_that_can_not_be_read_is_not_known_and_the_others_are(
    store: SqliteStore, raw: sqlite3.Connection, damage: str
) -> None:
    counts = {"acme.example": {"invite": 1}, "bolt.example": {"invite": 2}}
    await store.count_traffic(TrafficMark("sip1", NOON, 9.0, counts), {})
    raw.execute(f"UPDATE traffic_marks SET counts = {damage} WHERE tenant = 'acme.example'")  # noqa: S608 - of the list above
    with capture_logs() as logs:
        marks = await store.traffic_marks()
    assert marks == {"sip1": TrafficMark("sip1", NOON, 9.0, {"bolt.example": {"invite": 2}})}
    assert [(log["table"], log["key"]) for log in logs] == [("traffic_marks", "sip1/acme.example")]
