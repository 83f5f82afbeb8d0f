"""A statement on a terminal: 80 columns, nothing that moves the cursor."""

from dataclasses import replace
from datetime import UTC, datetime
from fractions import Fraction

import pytest
from rich.cells import cell_len

from dialtone.model import Credit, Flow
from dialtone.sla.figures import Figures
from dialtone.sla.statement import Party
from dialtone.sla.statements import render
from tests.fakes.statements import (
    a_correction,
    a_statement,
    an_account,
    an_exclusion,
    an_incident,
    an_objective,
    many_incidents,
    month_of,
)

START, _END = month_of("2026-10", "America/Montreal")
HOSTILE = "Ac\x1b[2Jme\r\n\x07 \u202e\u200b" + "中文" * 90 + "x" * 200


def text(**changed: object) -> str:
    return render(a_statement(**changed), "text").decode()


@pytest.mark.parametrize("language", ["en", "fr", "fr-CA"])
def test_eighty_columns_hold_it_whatever_it_says(language: str) -> None:
    said = text(
        language=language,
        tenant=Party("a.example", HOSTILE),
        accounts=(
            an_account(
                objective=an_objective(service=HOSTILE, flows=tuple(Flow)), incidents=many_incidents()
            ),
            an_account(incidents=(an_incident(START, 90 * 3600, causes=(HOSTILE,)),), unknown={4: 7000}),
        ),
        excluded=(an_exclusion(START, reason=HOSTILE, author=HOSTILE),),
        corrections=(a_correction(START, reason=HOSTILE, author=HOSTILE),),
    )
    assert max(cell_len(line) for line in said.splitlines()) <= 80
    assert all(character.isprintable() or character in "\n\u00a0\u202f" for character in said)


def test_the_verdict_stands_before_the_figures_of_days() -> None:
    said = text(accounts=(an_account(incidents=(an_incident(START, 7200),)),))
    assert said.index("The target was missed.") < said.index("Calls – Missed") < said.index("Days")
    assert "10% of the fee" in said


def test_french_is_french_and_its_numbers_are() -> None:
    said = text(language="fr", accounts=(an_account(incidents=(an_incident(START, 7200),)),)).replace(
        "\u202f", "\u00a0"
    )
    for words in (
        "L’objectif est manqué.",
        "99,731\u00a0%",
        "Crédit de service",
        "10\u00a0% de la redevance",
        "2\u00a0h",
    ):
        assert words in said
    for words in ("Missed", "Target", "Incidents:", "hr"):
        assert words not in said


def test_a_target_of_all_leaves_nothing_to_spend_and_any_downtime_is_too_much() -> None:
    perfect = an_objective(target=Fraction(1))
    assert "nothing to spend" in text(accounts=(an_account(objective=perfect),))
    said = text(accounts=(an_account(objective=perfect, incidents=(an_incident(START, 60),)),))
    assert "overspent by 1\u00a0min" in said
    assert "99.997%" in said


def test_a_figure_under_a_coverage_of_95_percent_is_provisional() -> None:
    # 38 h of 744 h are 5.1 %.
    assert "provisional" in text(accounts=(an_account(unknown={5: 86400, 6: 14 * 3600}),)).split("Days")[0]
    # 37 h are 4.97 %.
    assert (
        "provisional" not in text(accounts=(an_account(unknown={5: 86400, 6: 13 * 3600}),)).split("Days")[0]
    )


def test_a_month_that_is_not_over_says_how_far_it_goes() -> None:
    until = datetime(2026, 10, 12, 15, 30, tzinfo=UTC)
    said = text(closing=None, accounts=(an_account(until=until),))
    assert "how it stood on Oct 12, 2026 11:30" in " ".join(said.split())
    assert "Met so far" in said


@pytest.mark.parametrize(
    ("seconds", "language", "words"),
    [
        (900, "en", ("The target is not kept so far, but still can be.", "Below target so far", "left")),
        (900, "fr", ("mais peut encore l’être.", "Sous l’objectif à ce jour", "reste")),
        (7200, "en", ("The target was missed.", "Calls – Missed", "overspent")),
        (7200, "fr", ("L’objectif est manqué.", "Calls – Manqué", "dépassé")),
        (0, "en", ("The target is kept so far.", "Met so far")),
        (0, "fr", ("L’objectif est tenu à ce jour.", "Tenu à ce jour")),
    ],
)
def test_a_target_is_missed_within_a_month_only_when_nothing_can_save_it(
    seconds: int, language: str, words: tuple[str, ...]
) -> None:
    until = datetime(2026, 10, 12, 15, 30, tzinfo=UTC)
    found = (an_incident(START, seconds),) if seconds else ()
    said = text(closing=None, language=language, accounts=(an_account(until=until, incidents=found),))
    for one in words:
        assert one in said


def test_a_tenant_who_came_within_the_month_is_told_from_when() -> None:
    account = replace(an_account(), start=datetime(2026, 10, 9, 16, 0, tzinfo=UTC))
    said = " ".join(text(accounts=(account, account, an_account())).split())
    assert said.count("Calls, Calls: counted from Oct 9, 2026 12:00 to Nov 1, 2026 00:00.") == 1
    assert said.index("Budget spent") < said.index("counted from") < said.index("Incidents")


def test_a_month_that_is_not_over_has_one_note_and_says_until_when_it_is_counted() -> None:
    start, until = datetime(2026, 10, 9, 16, 0, tzinfo=UTC), datetime(2026, 10, 12, 15, 30, tzinfo=UTC)
    services = tuple(
        replace(an_account(objective=an_objective(service=name), until=until), start=start)
        for name in "ABCDEF"
    )
    said = text(closing=None, accounts=services)
    words = " ".join(said.split())
    assert said.count("\n! ") == 1
    assert "A, B, C, D, E, F: counted from Oct 9, 2026 12:00, so far until Oct 12, 2026 11:30." in words
    assert "Nov 1, 2026 00:00" not in words
    assert "stood on Oct 12, 2026 11:30, and figures may still change." in words


@pytest.mark.parametrize(
    ("language", "words"),
    [
        (
            "en",
            (
                "Calls – Missed, provisional",
                "10% of the fee, provisional",
                "only 0.03% of the time",
                "may be",
            ),
        ),
        (
            "fr",
            ("Calls – Manqué, provisoire", "la redevance, provisoire", "seuls 0,03\u00a0% du", "sans que"),
        ),
    ],
)
def test_a_verdict_on_too_little_says_so_and_so_does_its_credit(
    language: str, words: tuple[str, ...]
) -> None:
    hardly = dict.fromkeys(range(1, 32), 86400) | {2: 86400 - 900}
    account = an_account(
        objective=an_objective(credits=(Credit(Fraction("0.9995"), Fraction("0.1")),)),
        incidents=(an_incident(START.replace(day=2), 60),),
        unknown=hardly,
    )
    assert account.is_met is False
    said = " ".join(text(language=language, accounts=(account,)).split(" ")).replace("\u202f", "\u00a0")
    said = " ".join(said.replace("\n", " ").split(" "))
    for one in words:
        assert one in said
    several = " ".join(text(language=language, accounts=(account, an_account())).replace("\n", " ").split())
    assert (
        "1 verdict of 2 is provisional" if language == "en" else "1 verdict sur 2 est provisoire"
    ) in several
    assert text(accounts=(an_account(),)).count("provisional") == 1, "that of how it is computed"


def test_days_that_are_not_counted_say_why() -> None:
    start, until = datetime(2026, 10, 5, 13, 0, tzinfo=UTC), datetime(2026, 10, 14, 15, 30, tzinfo=UTC)
    account = an_account(until=until)
    days = tuple(
        (day, Figures() if day.weekday() > 4 else each) for day, each in account.days if 5 <= day.day <= 14
    )
    said = text(closing=None, accounts=(replace(account, start=start, days=days),))
    assert [mark in said for mark in (" 1/", " 4/", " 5.", "10=", "11=", "14.", "15>", "31>")] == [True] * 8
    for words in (
        "outside the hours of service",
        "before the service began, or after it ended",
        "still to come",
    ):
        assert words in said


def test_who_left_within_the_month_has_nothing_to_come() -> None:
    account = an_account(until=datetime(2026, 10, 17, 16, 0, tzinfo=UTC))
    left = replace(account, end=account.until, days=account.days[:17])
    said = text(accounts=(left,))
    assert "17." in said
    assert "18/" in said
    assert "still to come" not in said
    outside = replace(left, days=(*account.days[:16], (account.days[16][0], Figures())))
    assert "17=" in text(accounts=(outside,))


def test_bad_time_of_a_day_is_what_the_page_says() -> None:
    found = (an_incident(START, 190), an_incident(START.replace(day=15), 43990))
    said = text(accounts=(an_account(incidents=found),)).split("\nDays\n")[1].split("Incidents")[0]
    lines = said.splitlines()
    at = next(number for number, line in enumerate(lines) if " 1# 3\u00a0min" in line)
    assert "10\u00a0sec" in lines[at + 1]
    at = next(number for number, line in enumerate(lines) if "15# 12\u00a0hr" in line)
    assert "13\u00a0min" in lines[at + 1]
    assert "10\u00a0sec" in lines[at + 2]


def test_an_hour_that_the_clock_has_twice_comes_with_its_offset() -> None:
    twice = tuple(an_incident(datetime(2026, 11, 1, hour, 30, tzinfo=UTC)) for hour in (5, 6))
    said = text(period="2026-11", accounts=(an_account("2026-11", incidents=twice),))
    assert "Nov 1 01:30 (UTC-04:00)" in said
    assert "Nov 1 01:30 (UTC-05:00)" in said
    assert "25\u00a0hr" in said
    assert "this month has 721\u00a0hr" in " ".join(said.split(" ")).replace("\n  ", " ")


def test_a_month_with_23_hours_in_a_day_says_so() -> None:
    said = text(period="2026-03", accounts=(an_account("2026-03"),))
    assert "23\u00a0hr" in said
    assert "743\u00a0hr" in said


def test_no_service_is_said_and_is_no_error() -> None:
    assert "No service was promised in this period." in text(accounts=())
