"""Reloads, by what CoreStatus says of the last one."""

from datetime import UTC, datetime

import pytest

from collectors.asterisk.parse import parse_reload
from collectors.asterisk.reloads import METRICS, Reloads
from collectors.asterisk.wire import Block
from dialtone.model import Catalog
from tests.unit.asterisk.conftest import VERSIONS, blocks
from tests.unit.asterisk.lists import told

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)


def status(start: str, reload: str) -> Block:
    return {
        "CoreStartupDate": "2026-11-22",
        "CoreStartupTime": start,
        "CoreReloadDate": "2026-11-22",
        "CoreReloadTime": reload,
    }


def count(reloads: Reloads) -> float:
    return told(reloads.samples("pbx1", AT))["reloads_total",]


def test_the_table_keeps_to_the_conventions() -> None:
    assert len(Catalog(METRICS)) == len(METRICS)


@pytest.mark.parametrize("version", VERSIONS)
def test_the_last_reload_is_a_wall_clock_reading_without_zone(version: str) -> None:
    assert parse_reload(blocks(version, "CoreStatus")[0]) == datetime(2026, 11, 22, 23, 21, 42)  # noqa: DTZ001


@pytest.mark.parametrize(
    "text", ["", "yesterday", "0001-01-01", "9999-12-31", "2026-13-01", "nan", "9" * 5000]
)
def test_what_is_no_date_is_none(text: str) -> None:
    assert parse_reload({"CoreReloadDate": text, "CoreReloadTime": "23:21:42"}) is None
    assert parse_reload({}) is None


def test_the_first_poll_counts_nothing_and_asks_for_the_instant() -> None:
    reloads = Reloads()
    assert reloads.see(status("08:00:00", "09:30:00"), anew=False) == datetime(2026, 11, 22, 9, 30)  # noqa: DTZ001
    assert told(reloads.samples("pbx1", AT)) == {("reloads_total",): 0}
    reloads.last = datetime(2026, 11, 22, 14, 30, tzinfo=UTC)
    assert told(reloads.samples("pbx1", AT)) == {
        ("reloads_total",): 0,
        ("last_reload_timestamp_seconds",): reloads.last.timestamp(),
    }


def test_a_reload_is_counted_once() -> None:
    reloads = Reloads()
    reloads.see(status("08:00:00", "08:00:00"), anew=False)
    assert reloads.see(status("08:00:00", "08:00:00"), anew=False) is None
    assert reloads.see(status("08:00:00", "09:00:00"), anew=False) is not None
    assert reloads.see(status("08:00:00", "09:00:00"), anew=False) is None
    assert count(reloads) == 1


def test_an_instant_that_is_not_found_out_is_not_that_of_the_reload_before() -> None:
    reloads = Reloads()
    reloads.see(status("08:00:00", "08:00:00"), anew=False)
    reloads.last = AT
    reloads.see(status("08:00:00", "09:00:00"), anew=False)
    assert reloads.last is None


def test_a_restart_is_no_reload() -> None:
    reloads = Reloads()
    reloads.see(status("08:00:00", "09:00:00"), anew=False)
    assert reloads.see(status("10:00:00", "10:00:00"), anew=False) is not None
    assert count(reloads) == 0


def test_a_reload_right_after_a_restart_is_one() -> None:
    reloads = Reloads()
    reloads.see(status("08:00:00", "09:00:00"), anew=False)
    reloads.see(status("10:00:00", "10:00:07"), anew=False)
    assert count(reloads) == 1


def test_an_answer_that_makes_no_sense_changes_nothing() -> None:
    reloads = Reloads()
    reloads.see(status("08:00:00", "09:00:00"), anew=False)
    assert reloads.see({}, anew=False) is None
    assert reloads.see(status("08:00:00", "garbage"), anew=False) is None
    reloads.see(status("08:00:00", "09:00:00"), anew=False)
    assert count(reloads) == 0
