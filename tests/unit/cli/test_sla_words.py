"""`dialtone sla` and `dialtone maintenance`: what is said of wrong arguments, of no data, of no promises."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import anyio
import click
import pytest

from dialtone.cli.books import instant_of, span_told
from dialtone.store import open_store
from tests.fakes.months import ACME, PHONES, PROMISES
from tests.unit.cli.conftest import Dialtone

AHEAD = f"{datetime.now(UTC) + timedelta(days=9):%Y-%m-%dT02:00}"
PAST = f"{datetime.now(UTC) - timedelta(days=9):%Y-%m-%dT02:00}"
OVER = "2026-01"


@pytest.fixture
def promised(tmp_path: Path) -> Path:
    """Return a configuration with objectives, whose data folder nobody made yet."""
    (tmp_path / "accounts.csv").write_text(PHONES)
    (tmp_path / "accounts.csv").chmod(0o600)
    (tmp_path / "dialtone.yaml").write_text(PROMISES)
    return tmp_path / "dialtone.yaml"


def make_store(config: Path) -> None:
    async def make() -> None:
        store = await open_store(config.parent / "data")
        await store.aclose()

    anyio.run(make)


@pytest.mark.parametrize(
    ("command", "code"),
    [
        (("sla", "status"), 0),
        (("sla", "verify"), 0),
        (("sla", "close", "--period", OVER), 2),
        (("sla", "report", "--tenant", ACME, "--period", OVER), 3),
        (("maintenance", "list"), 0),
        (("maintenance", "corrections"), 0),
    ],
)
def test_where_no_service_ever_ran_it_says_so_and_makes_nothing(
    dialtone: Dialtone, promised: Path, command: tuple[str, ...], code: int
) -> None:
    group, name, *options = command
    said = dialtone(group, name, promised, *options)
    assert said.code == code
    assert f"no data yet: {promised.parent}/data holds no store" in said.out + said.err
    assert not (promised.parent / "data").exists()


def test_as_json_no_data_is_empty(dialtone: Dialtone, promised: Path) -> None:
    found = json.loads(dialtone("sla", "status", promised, "--format", "json").out)
    assert (found["data"], found["accounts"], found["together"]["services"]) == (False, [], 0)
    for command in (("sla", "verify"), ("maintenance", "list"), ("maintenance", "corrections")):
        assert json.loads(dialtone(*command, promised, "--format", "json").out) == []


def test_where_nothing_was_measured_there_is_no_figure_and_no_crash(
    dialtone: Dialtone, promised: Path
) -> None:
    make_store(promised)
    said = dialtone("sla", "status", promised)
    assert (said.code, said.err) == (0, "")
    assert said.out.count("no data") == 3
    assert "together 3 services: 0 met, 0 missed, 3 without data" in said.out
    said = dialtone("sla", "status", promised, "--tenant", ACME)
    assert said.code == 0
    assert "no data: - of 99.9% promised" in said.out
    said = dialtone("sla", "report", promised, "--tenant", ACME, "--period", OVER)
    assert (said.code, said.err) == (0, "")
    said = dialtone("sla", "verify", promised)
    assert (said.code, "nothing of that is closed yet" in said.out) == (0, True)


def test_without_objectives_it_says_so(dialtone: Dialtone, config: Path) -> None:
    make_store(config)
    said = dialtone("sla", "status", config)
    assert (said.code, said.out) == (0, f"{config} has no objectives\n")
    said = dialtone("sla", "close", config, "--period", OVER)
    assert (said.code, said.out) == (2, "")
    assert "promises nothing; add objectives:" in said.err
    said = dialtone("sla", "report", config, "--tenant", ACME, "--period", OVER)
    assert said.code == 3
    assert "was promised nothing" in said.err


ADD = ("maintenance", "add", "--reason", "r", "--tenant", ACME)
CORRECT = ("maintenance", "correct", "--reason", "r", "--tenant", ACME, "--as", "good")


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (
            ("sla", "status", "--tenant", "acmee.ntek.clusterpbx.example"),
            "did you mean 'acme.ntek.clusterpbx.example'?",
        ),
        (("sla", "status", "--tenant", "a b"), "is not a domain"),
        (("sla", "status", "--service", "telefony"), "did you mean 'telephony'?"),
        (("sla", "status", "--period", "9998-01"), "9998-01 has not begun yet"),
        (("sla", "status", "--period", "october"), "'october' is no month; write it as year-month"),
        (("sla", "close", "--period", "2026-13"), "'2026-13' is no month"),
        (("sla", "report", "--tenant", ACME, "--period", "9998-01"), "9998-01 has not begun yet"),
        (("sla", "report", "--tenant", ACME, "--period", OVER, "--language", "French!"), "is not a language"),
        (("sla", "verify", "--tenant", "nobody.example"), "nobody.example is not a tenant of"),
        ((*ADD, "--begins", PAST, "--lasts", "2h"), "`dialtone maintenance correct`"),
        ((*ADD, "--begins", "tomorrow", "--lasts", "2h"), "write it like 2026-11-03T02:00"),
        ((*ADD, "--begins", "2027-02-30T02:00", "--lasts", "2h"), "is no time"),
        ((*ADD, "--begins", AHEAD, "--lasts", "soon"), "--lasts"),
        ((*ADD, "--begins", AHEAD, "--lasts", "90s"), "whole minutes"),
        (
            (*ADD, "--begins", AHEAD, "--lasts", "2h", "--zone", "America/Montral"),
            "did you mean 'America/Montreal'?",
        ),
        ((*ADD, "--begins", AHEAD, "--lasts", "2h", "--recurs", "FREQ=SECONDLY"), "FREQ must be one of"),
        ((*ADD, "--begins", AHEAD, "--lasts", "2h", "--author", ""), "the author is missing"),
        ((*CORRECT, "--begins", PAST, "--ends", AHEAD), "`dialtone maintenance add`"),
        ((*CORRECT, "--begins", PAST, "--ends", PAST), "not after its beginning"),
        (("maintenance", "withdraw", "5"), "there is no maintenance 5"),
        (("maintenance", "withdraw", "5", "--correction"), "there is no correction 5"),
    ],
)
def test_a_wrong_argument_is_3_and_says_what_would_be_right(
    dialtone: Dialtone, promised: Path, command: tuple[str, ...], words: str
) -> None:
    make_store(promised)
    group, name, *options = command
    said = dialtone(group, name, promised, *options)
    assert (said.code, said.out) == (3, "")
    assert words in " ".join(said.err.split())


def test_who_did_it_is_the_systems_user_where_nobody_is_named(
    dialtone: Dialtone, promised: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("getpass.getuser", lambda: "mallory")
    said = dialtone(*ADD[:2], promised, *ADD[2:], "--begins", AHEAD, "--lasts", "2h")
    assert (said.code, "by mallory, cli" in said.out) == (0, True)

    def nobody() -> str:
        raise KeyError("no name")

    monkeypatch.setattr("getpass.getuser", nobody)
    said = dialtone(*ADD[:2], promised, *ADD[2:], "--begins", AHEAD, "--lasts", "2h")
    assert (said.code, "by user " in said.out) == (0, True)


def test_what_servers_or_people_wrote_can_not_drive_the_terminal(dialtone: Dialtone, promised: Path) -> None:
    said = dialtone(*ADD[:2], promised, *ADD[2:], "--begins", AHEAD, "--lasts", "2h", "--author", "a\x1b[31m")
    assert (said.code, said.out) == (3, "")
    assert "\x1b" not in said.err


@pytest.mark.parametrize(
    ("text", "zone", "instant"),
    [
        ("2026-11-03T02:00", "America/Montreal", "2026-11-03T07:00+00:00"),
        ("2026-07-03 02:00", "Europe/Paris", "2026-07-03T00:00+00:00"),
        ("2026-07-03T02:00Z", "Europe/Paris", "2026-07-03T02:00+00:00"),
        ("2026-11-01T01:30-05:00", "America/Montreal", "2026-11-01T06:30+00:00"),
    ],
)
def test_times_are_by_the_wall_clock_of_the_zone_or_with_an_offset(
    text: str, zone: str, instant: str
) -> None:
    assert instant_of(text, zone, "--begins").isoformat(timespec="minutes") == instant


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("2027-03-14T02:30", "does not exist in America/Montreal"),
        ("2026-11-01T01:30", "2026-11-01T01:30-04:00 or 2026-11-01T01:30-05:00"),
        ("0001-01-01T00:00+14:00", "is no time"),
    ],
)
def test_a_time_that_the_clock_skips_or_has_twice_is_refused(text: str, words: str) -> None:
    with pytest.raises(click.BadParameter) as caught:
        instant_of(text, "America/Montreal", "--begins")
    assert words in caught.value.message


@pytest.mark.parametrize(
    ("seconds", "told"),
    [
        (0, "0 s"),
        (59, "59 s"),
        (60, "1 min"),
        (4800, "1 h 20 min"),
        (90_000, "1 d 1 h"),
        (86_430, "1 d"),
        (3605, "1 h"),
    ],
)
def test_spans_are_told_by_their_two_greatest_units(seconds: int, told: str) -> None:
    assert span_told(seconds) == told
