"""`dialtone sla` and `dialtone maintenance` as people run them, on a data folder with a month in it."""

import json
import os
import pty
import sqlite3
import stat
import subprocess
import sys
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from dialtone.config import load
from dialtone.model import Maintenance
from dialtone.sla.calendar import month, period_of, previous_period
from dialtone.store import open_store
from dialtone.wiring.settling import settle
from tests.fakes.months import ACME, BOLT, CHARLIE, NTEK, PHONES, PROMISES, probed
from tests.integration.service import dialtone

pytestmark = pytest.mark.integration

MONTH = previous_period(previous_period(period_of(datetime.now(UTC), "UTC")))
END = month(MONTH, "UTC").end
BEGAN = END - timedelta(days=3)
"""When the tenants came: the last three days of the month are theirs."""
MINUTES = 3 * 1440


@pytest.fixture
async def config(tmp_path: Path) -> Path:
    """Return a configuration with a month: Acme failed for 72 minutes, Bolt for 2, Charlie was not probed."""
    (tmp_path / "accounts.csv").write_text(PHONES)
    (tmp_path / "accounts.csv").chmod(0o600)
    path = tmp_path / "dialtone.yaml"
    path.write_text(PROMISES)
    settings = load(path)
    store = await open_store(settings.data)
    await settle(store.books, settings, BEGAN)
    await store.add_results(list(probed(ACME, BEGAN, MINUTES, failing=range(1500, 1572))))
    await store.add_results(list(probed(BOLT, BEGAN, MINUTES, failing=(7, 8))))
    await store.aclose()
    return path


async def test_a_month_from_its_figures_to_a_byte_that_somebody_changed(config: Path) -> None:
    ended = await dialtone("sla", "status", config, "--period", MONTH)
    assert (ended.code, ended.err) == (0, "")
    assert max(map(len, ended.out.splitlines())) <= 80
    rows = [line.split() for line in ended.out.splitlines() if line.startswith("  ")]
    # Acme: 72 of 4320 minutes, 98.3333...; Bolt: 2 of 4320, 99.9537...; both are cut off, not rounded.
    assert [row[:2] for row in rows[1:4]] == [["missed", "98.333%"], ["met", "99.953%"], ["no", "data"]]

    ended = await dialtone("sla", "close", config, "--period", MONTH, "--author", "alice")
    # Nothing was measured of Charlie: it is closed, with a warning.
    warned = f"{CHARLIE} {MONTH}: telephony is provisional: nothing of the time was measured"
    assert (ended.code, " ".join(ended.err.split())) == (0, warned)
    hashes = [line.split()[1] for line in ended.out.splitlines() if line.startswith("  hash")]
    assert len(set(hashes)) == 3
    again = await dialtone("sla", "close", config, "--period", MONTH, "--author", "bob")
    assert again.code == 0
    assert again.out.count("was closed") == again.out.count("by alice") == 3

    ended = await dialtone("sla", "verify", config)
    assert (ended.code, ended.out.count(": verified\n")) == (0, 3)
    assert all(one in ended.out for one in hashes)

    when = ("--begins", f"{BEGAN + timedelta(days=1):%Y-%m-%dT%H:%M}", "--ends", f"{END:%Y-%m-%dT%H:%M}")
    why = ("--as", "excluded", "--reason", "their own uplink", "--author", "bob")
    ended = await dialtone("maintenance", "correct", config, "--tenant", ACME, *when, *why)
    assert ended.code == 0
    assert f"{ACME} {MONTH} is closed and stands as it was closed" in ended.out
    ended = await dialtone("sla", "verify", config)
    assert (ended.code, ended.out.count(": verified\n")) == (0, 3)
    assert "telephony goes from 98.333 % to 100.000 % (missed -> met)" in " ".join(ended.out.split())
    assert "by bob: their own uplink" in ended.out

    day = BEGAN + timedelta(days=1)
    tamper(config, day)
    ended = await dialtone("sla", "verify", config)
    assert (ended.code, ended.out.count(": verified\n")) == (2, 2)
    told = " ".join(ended.out.split())
    assert f"{ACME} {MONTH}: DOES NOT VERIFY" in told
    assert (
        f"call calls at mtl1, availability every 60 s from {BEGAN.isoformat()}: the slices of {day:%Y-%m-%d}"
        in told
    )
    report = await dialtone("sla", "report", config, "--tenant", ACME, "--period", MONTH)
    assert (report.code, report.out) == (3, "")
    assert "the books don't give what was closed" in report.err


def tamper(config: Path, day: datetime) -> None:
    """Change a byte of Acme's slices of a day, as somebody with an editor of databases would."""
    with closing(sqlite3.connect(config.parent / "data" / "dialtone.sqlite3")) as db, db:
        where = "day = ? AND series IN (SELECT id FROM slice_series WHERE tenant = ?)"
        number = (day - datetime(1970, 1, 1, tzinfo=UTC)).days
        [(bits,)] = db.execute(f"SELECT bits FROM slices WHERE {where}", (number, ACME))  # noqa: S608
        changed = bytes([bits[0] ^ 0b100]) + bits[1:]
        db.execute(f"UPDATE slices SET bits = ? WHERE {where}", (changed, number, ACME))  # noqa: S608


async def test_statements_are_written_whole_privately_and_not_to_a_terminal(
    config: Path, tmp_path: Path
) -> None:
    asked = ("sla", "report", config, "--tenant", ACME, "--period", MONTH)
    for shape, begins in (
        ("html", b"<!doctype html"),
        ("pdf", b"%PDF-"),
        ("json", b"{"),
        ("csv", b""),
        ("text", b""),
    ):
        target = tmp_path / f"statement.{shape}"
        ended = await dialtone(*asked, "--format", shape, "--language", "fr", "--output", target)
        assert (ended.code, ended.out, ended.err) == (0, "", "")
        assert target.read_bytes().lower().startswith(begins.lower())
        assert stat.S_IMODE(target.stat().st_mode) == 0o600
    assert json.loads((tmp_path / "statement.json").read_text())["language"] == "fr"
    assert not [name for name in os.listdir(tmp_path) if name.startswith(".")]  # noqa: PTH208
    ended = await dialtone(*asked, "--output", tmp_path / "nowhere" / "statement.txt")
    assert (ended.code, ended.out) == (3, "")
    assert "No such file or directory; nothing was written" in ended.err
    assert on_a_terminal(*asked, "--format", "pdf") == 3


def on_a_terminal(*arguments: object) -> int:
    """Run a command whose stdout is a terminal; return its exit code."""
    ours, theirs = pty.openpty()
    try:
        command = [sys.executable, "-m", "dialtone", *map(str, arguments)]
        ended = subprocess.run(command, stdout=theirs, stderr=subprocess.PIPE, timeout=60, check=False)
        assert b"is no text for a terminal" in ended.stderr
        return ended.returncode
    finally:
        os.close(ours)
        os.close(theirs)


async def test_maintenance_is_declared_listed_and_withdrawn(config: Path) -> None:
    begins = f"{datetime.now(UTC) + timedelta(days=3):%Y-%m-%dT02:00}"
    add = (
        "maintenance",
        "add",
        config,
        "--tenant",
        NTEK,
        "--begins",
        begins,
        "--lasts",
        "2h",
        "--reason",
        "cores",
    )
    ended = await dialtone(*add, "--recurs", "FREQ=WEEKLY", "--flow", "call", "--author", "alice")
    assert (ended.code, ended.err) == (0, "")
    ended = await dialtone(*add)
    assert (ended.code, ended.out.count("it overlaps")) == (0, 1)
    listed = json.loads((await dialtone("maintenance", "list", config, "--format", "json")).out)
    assert (listed[0]["id"], listed[0]["author"], listed[0]["flows"]) == (1, "alice", ["call"])
    ended = await dialtone("maintenance", "withdraw", config, 1, "--author", "carol")
    assert (ended.code, "by carol" in ended.out) == (0, True)
    listed = json.loads((await dialtone("maintenance", "list", config, "--format", "json")).out)
    assert [one["id"] for one in listed] == [2]
    ended = await dialtone("maintenance", "withdraw", config, 7)
    assert (ended.code, "there is no maintenance 7" in ended.err) == (3, True)


async def test_a_store_that_can_not_be_used_is_a_sentence_and_7(config: Path) -> None:
    data = config.parent / "data" / "dialtone.sqlite3"
    for path in data.parent.glob("dialtone.sqlite3-*"):
        path.unlink()
    data.write_bytes(b"this is no database" * 1000)
    for command in (
        ("status",),
        ("verify",),
        ("close", "--period", MONTH),
        ("report", "--tenant", CHARLIE, "--period", MONTH),
    ):
        name, *options = command
        ended = await dialtone("sla", name, config, *options)
        assert (ended.code, ended.out) == (7, "")
        assert "the file is no database" in ended.err
    ended = await dialtone("maintenance", "list", config)
    assert ended.code == 7


async def test_what_a_correction_changes_is_told_in_seconds(config: Path) -> None:
    assert (await dialtone("sla", "close", config, "--period", MONTH, "--tenant", BOLT)).code == 0
    when = ("--begins", f"{BEGAN:%Y-%m-%dT%H:%M}Z", "--ends", f"{BEGAN + timedelta(hours=1):%Y-%m-%dT%H:%M}Z")
    for word in ("good", "unknown"):
        why = ("--as", word, "--reason", "r", "--author", "bob")
        ended = await dialtone("maintenance", "correct", config, "--tenant", BOLT, *when, *why)
        assert ended.code == 0
    told = " ".join(ended.out.split())
    assert "it overlaps with this; where both say something, 2 counts 1 bolt." in told
    told = " ".join((await dialtone("sla", "verify", config)).out.split())
    # Both bad minutes, 120 s, were within the hour that is unknown now; 71 of 72 hours are measured.
    assert "telephony goes from 99.953 % to 100.000 % (still met): bad 120 s -> 0 s" in told
    assert "unknown 0 s -> 3600 s, covered 100.000 % -> 98.611 %" in told
    begins = f"{BEGAN + timedelta(hours=2):%Y-%m-%dT%H:%M}Z"
    ends = f"{BEGAN + timedelta(hours=3):%Y-%m-%dT%H:%M}Z"
    late = ("--tenant", CHARLIE, "--begins", begins, "--ends", ends, "--as", "excluded", "--reason", "r")
    assert (await dialtone("sla", "close", config, "--period", MONTH, "--tenant", CHARLIE)).code == 0
    assert (await dialtone("maintenance", "correct", config, *late)).code == 0
    told = " ".join((await dialtone("sla", "verify", config, "--tenant", CHARLIE)).out.split())
    assert "telephony stays at - (still nothing measured): unknown 259200 s -> 255600 s, excluded 0 s" in told
    found = json.loads((await dialtone("sla", "verify", config, "--tenant", CHARLIE, "--format", "json")).out)
    assert found[0]["changes"][0]["seconds"]["excluded"] == {"was": 0, "now": 3600}


def in_montreal(config: Path) -> None:
    """Let NTEK live in Montreal."""
    config.write_text(config.read_text().replace("name: NTEK}", "name: NTEK, timezone: America/Montreal}"))


async def test_times_are_the_tenants_with_the_offset_and_what_changes_nothing_is_said(config: Path) -> None:
    in_montreal(config)
    when = ("--begins", "2020-07-14T20:00", "--ends", "2020-07-15T00:00")
    why = ("--as", "excluded", "--reason", "their own uplink")
    ended = await dialtone("maintenance", "correct", config, "--tenant", NTEK, *when, *why)
    assert ended.code == 0
    assert "nothing was to be measured of that then: as it is, this changes no figure" in ended.out
    ended = await dialtone("maintenance", "corrections", config)
    told = " ".join(ended.out.split())
    assert "2020-07-14 20:00-04:00 to 2020-07-15 00:00-04:00 America/Montreal counts as excluded" in told
    begins = f"{datetime.now(UTC) + timedelta(days=3):%Y-%m-%d}T02:00Z"
    ahead = ("--begins", begins, "--lasts", "1h", "--reason", "cores")
    ended = await dialtone("maintenance", "add", config, "--tenant", NTEK, *ahead)
    assert ended.code == 0
    ended = await dialtone("maintenance", "list", config)
    assert ":00-0" in ended.out
    assert " America/Montreal for 1 h" in ended.out


async def test_withdrawing_what_began_says_what_stays(config: Path) -> None:
    store = await open_store(config.parent / "data")
    began = (datetime.now(UTC) - timedelta(days=9)).replace(second=0, microsecond=0)
    zone, why = "UTC", "new cores"
    await store.books.declare(
        Maintenance(0, NTEK, began, 3600, "alice", why, began, (), "FREQ=WEEKLY", zone, "config", "weekly")
    )
    await store.aclose()
    ended = await dialtone("maintenance", "withdraw", config, 1)
    assert ended.code == 0
    last = began + timedelta(days=7)
    told = " ".join(ended.out.split())
    assert (
        f"it began 2 times, the last time at {last:%Y-%m-%d %H:%M}+00:00: that stays outside the figures"
        in told
    )
    assert f"the next start of the service would again: take it out of {config}" in ended.err


async def test_the_statements_of_all_are_written_and_one_that_can_not_be_stops_no_other(
    config: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "statements"
    asked = ("sla", "report", config, "--period", MONTH, "--format", "json", "--output", folder)
    ended = await dialtone(*asked)
    assert (ended.code, ended.out, ended.err) == (0, f"3 statements of {MONTH} in {folder}\n", "")
    names = sorted(path.name for path in folder.iterdir())
    assert names == [f"{tenant}-{MONTH}.json" for tenant in (ACME, BOLT, CHARLIE)]
    for tenant in (ACME, BOLT, CHARLIE):
        path = folder / f"{tenant}-{MONTH}.json"
        assert json.loads(path.read_text())["tenant"]["domain"] == tenant
        path.unlink()
    (folder / f"{BOLT}-{MONTH}.json").mkdir()
    ended = await dialtone(*asked)
    assert (ended.code, ended.out) == (2, f"2 statements of {MONTH} in {folder}\n")
    assert f"{BOLT}: " in ended.err
    assert "1 could not be made or written" in ended.err
    ended = await dialtone(*asked[:-2])
    assert (ended.code, "--output FOLDER" in ended.err) == (3, True)
    ended = await dialtone(*asked[:-1], config)
    assert (ended.code, ended.out) == (3, "")


async def test_a_reseller_is_told_of_its_clients_and_of_no_other(config: Path) -> None:
    ended = await dialtone("sla", "report", config, "--tenant", NTEK, "--period", MONTH)
    assert (ended.code, ended.out) == (3, "")
    assert "statements are made per client" in ended.err
    assert f"--tenant {ACME}\n" in ended.err
    assert f"--tenant {BOLT}\n" in ended.err
    assert CHARLIE not in ended.err
    assert f"dialtone sla status {config} --tenant {NTEK}" in ended.err


async def test_a_language_without_a_catalogue_is_english_and_says_so(config: Path) -> None:
    asked = ("sla", "report", config, "--tenant", ACME, "--period", MONTH, "--language")
    ended = await dialtone(*asked, "de")
    assert (ended.code, ended.err) == (0, "note: there are no statements in de: this is in English\n")
    for tag in ("fr", "fr-CA", "en", "en-GB"):
        assert (await dialtone(*asked, tag)).err == ""


async def test_the_audit_is_told_newest_first(config: Path) -> None:
    assert (await dialtone("sla", "audit", config)).out == "nothing was changed\n"
    assert (await dialtone("sla", "close", config, "--period", MONTH, "--author", "alice")).code == 0
    rows = json.loads((await dialtone("sla", "audit", config, "--format", "json")).out)
    assert [row["tenant"] for row in rows] == [CHARLIE, BOLT, ACME]
    ended = await dialtone("sla", "audit", config, "--tenant", BOLT)
    assert f"{BOLT}: month closed by alice" in " ".join(ended.out.split())
    assert ACME not in ended.out
    assert CHARLIE not in ended.out
    assert max(map(len, ended.out.splitlines())) <= 80
    one = await dialtone("sla", "audit", config, "--limit", 1)
    assert one.out.count("month closed") == 1
    ended = await dialtone("sla", "audit", config, "--tenant", "nobody.example")
    assert (ended.code, "is not a tenant of" in ended.err) == (3, True)
