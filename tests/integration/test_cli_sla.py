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
    assert [row[:2] for row in rows[1:4]] == [["missed", "98.333%"], ["no", "data"], ["met", "99.953%"]]

    ended = await dialtone("sla", "close", config, "--period", MONTH, "--author", "alice")
    assert (ended.code, ended.err) == (0, "")
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
