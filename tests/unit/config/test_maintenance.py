"""Maintenance that the configuration declares: whose, when by which clock, and what it takes of a month."""

from datetime import UTC, datetime
from typing import Final

import pytest

from dialtone.config import Settings
from dialtone.config.maintenance import MOST, MOST_RECURRING
from dialtone.model import Flow, Maintenance
from tests.unit.config.conftest import Reader, refusals

TREE: Final = """\
location: mtl1
platform: {domain: clusterpbx.example, timezone: America/Montreal}
tenants:
  - {domain: ntek.clusterpbx.example}
  - {domain: acme.ntek.clusterpbx.example, timezone: Europe/Paris}
probes:
  - {name: ping, flow: options, target: "sip:h"}
  - {name: pages, flow: http, target: "http://h/"}
"""
PLATFORM, NTEK, ACME = (f"{name}clusterpbx.example" for name in ("", "ntek.", "acme.ntek."))


def settings(read: Reader, *entries: str, objectives: str = "") -> Settings:
    """Return what a platform of two tenants with these entries says."""
    promised = f"objectives: [{objectives}]\n" if objectives else ""
    return read(f"{TREE}{promised}maintenance: [{', '.join(entries)}]\n")


def entry(begins: str = "2026-11-03T02:00", more: str = "", name: str = "w") -> str:
    return f"{{name: {name}, begins: {begins}, lasts: 2h, reason: weekly updates{', ' * bool(more)}{more}}}"


def test_work_for_all_is_the_platforms_and_by_its_clock(read: Reader) -> None:
    (found,) = settings(read, entry(more='recurs: "FREQ=WEEKLY;BYDAY=TU", flows: [call]')).maintenance
    assert found == Maintenance(
        id=0,
        tenant=PLATFORM,
        begins=datetime(2026, 11, 3, 7, tzinfo=UTC),
        seconds=7200,
        author="configuration",
        reason="weekly updates",
        declared=datetime(1970, 1, 1, tzinfo=UTC),
        flows=(Flow.CALL,),
        recurs="FREQ=WEEKLY;BYDAY=TU",
        zone="America/Montreal",
        source="config",
        name="w",
    )


def test_each_tenant_that_is_named_has_its_own_by_its_own_clock_unless_a_zone_is_given(read: Reader) -> None:
    named = f"tenants: [{NTEK}, {ACME}]"
    own = settings(read, entry(more=named)).maintenance
    assert {(one.tenant, one.zone, one.begins.hour) for one in own} == {
        (NTEK, "America/Montreal", 7),
        (ACME, "Europe/Paris", 1),
    }
    given = settings(read, entry(more=f"{named}, zone: UTC")).maintenance
    assert [(one.zone, one.begins.hour) for one in given] == [("UTC", 2), ("UTC", 2)]


@pytest.mark.parametrize(
    ("begins", "hour"),
    [
        ("2026-11-03T02:00Z", 2),
        ("2026-11-03T02:00+01:00", 1),
        ("2026-11-03 02:00", 7),
        ("2026-11-03T02:00:00", 7),
    ],
)
def test_a_time_may_have_an_offset_of_its_own(read: Reader, begins: str, hour: int) -> None:
    (found,) = settings(read, entry(begins)).maintenance
    assert found.begins == datetime(2026, 11, 3, hour, tzinfo=UTC)


def test_of_a_time_that_comes_twice_the_first_is_taken_and_said(read: Reader) -> None:
    whole = settings(read, entry("2026-11-01T01:30"))
    # 01:30 EDT is 05:30 UTC; 01:30 EST would be 06:30.
    assert whole.maintenance[0].begins == datetime(2026, 11, 1, 5, 30, tzinfo=UTC)
    assert whole.notes == (
        (
            "maintenance w begins at 2026-11-01T01:30, which America/Montreal has twice: the first of them "
            "is taken, 05:30 UTC; for the other write it with its offset"
        ),
    )
    assert settings(read, entry("2026-11-01T01:30-05:00")).notes == ()


def test_a_time_that_the_clock_leaves_out_is_refused(read: Reader) -> None:
    (said,) = refusals(read, f"{TREE}maintenance: [{entry('2026-03-08T02:30')}]\n")
    assert "2026-03-08T02:30 does not exist in America/Montreal" in said


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        ("FREQ=WEEKLY;BYDAY=TU", None),
        ("FREQ=WEEKLY;BYDAY=WE", "the first time is 2026-11-04T02:00, America/Montreal"),
        ("FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30", "has no day within two years of its beginning"),
    ],
)
def test_a_rule_that_does_not_begin_when_the_work_does_is_said(
    read: Reader, rule: str, said: str | None
) -> None:
    notes = settings(read, entry(more=f'recurs: "{rule}"')).notes
    assert len(notes) == (said is not None)
    assert said is None or notes[0].endswith(said)


def test_work_beyond_what_a_contract_excludes_is_said_with_its_tenants(read: Reader) -> None:
    objectives = (
        "{name: a, flows: [options], target: 99%, maintenance: 8h}, "
        "{name: b, flows: [http], target: 99%, maintenance: 0}, "
        f"{{name: a, tenants: [{ACME}], maintenance: 12h}}"
    )
    weekly = entry(more='recurs: "FREQ=WEEKLY;BYDAY=TU", flows: [options]')
    once = entry("2026-12-01T04:00", f"tenants: [{ACME}], flows: [options]", name="once")
    # Tuesdays of a month: five at most (December 2026 has 1, 8, 15, 22, 29), so 10 h; and 2 h once.
    assert settings(read, weekly, once, objectives=objectives).notes == (
        (
            "objective a excludes 8 h of maintenance a month at most, and w takes up to 10 h: what is over "
            f"counts. It is so for 1 tenant: {NTEK}"
        ),
    )
    more = settings(read, weekly, once, entry("2026-12-02T04:00", name="third"), objectives=objectives).notes
    assert any("w, third, once take up to 14 h" in note and ACME in note for note in more)
    assert any(
        note.startswith("objective b excludes 0 h") and "third takes up to 2 h" in note for note in more
    )


def test_work_outside_hours_of_service_takes_nothing_of_them_and_what_overlaps_counts_once(
    read: Reader,
) -> None:
    office = (
        '{name: a, flows: [options], target: 99%, maintenance: 8h, hours: ["mon-fri 08:00-18:00"], '
        "zone: America/Montreal}"
    )
    nightly = entry(more='recurs: "FREQ=DAILY"')
    assert settings(read, nightly, objectives=office).notes == ()
    # Twice the same two hours of a Tuesday, and one of them longer: 3 h, five times in December 2026.
    always = "{name: a, flows: [options], target: 99%, maintenance: 14h}"
    tuesdays = [entry(more='recurs: "FREQ=WEEKLY;BYDAY=TU"', name=name) for name in ("w", "again")]
    assert settings(read, *tuesdays, objectives=always).notes == ()
    longer = tuesdays[1].replace("lasts: 2h", "lasts: 3h")
    assert longer != tuesdays[1]
    (note,) = settings(read, tuesdays[0], longer, objectives=always).notes
    assert "w, again take up to 15 h" in note


def test_there_is_an_end_to_how_much_is_declared(read: Reader) -> None:
    many = ", ".join(entry(name=f"w{n}") for n in range(MOST + 1))
    assert refusals(read, f"{TREE}maintenance: [{many}]\n") == [
        "maintenance: has 1,001 entries; 1,000 are the most"
    ]
    many = ", ".join(entry(more="recurs: FREQ=DAILY", name=f"w{n}") for n in range(MOST_RECURRING + 1))
    assert refusals(read, f"{TREE}maintenance: [{many}]\n") == [
        "maintenance: has 201 entries that recur; 200 are the most"
    ]
