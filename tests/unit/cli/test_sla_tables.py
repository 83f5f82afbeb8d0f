"""Tables of services: within 80 columns whatever the names and figures, the worst first."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction

from dialtone.cli.sla.details import details
from dialtone.cli.sla.table import table
from dialtone.cli.sla.words import burn_told
from dialtone.model import Flow, Measure, Objective, Sli
from dialtone.sla.burn import WINDOWS
from dialtone.sla.figures import Account, Budget, Burn, Figures, Incident

START = datetime(2026, 10, 1, tzinfo=UTC)
LONG = f"{'a' * 63}.{'b' * 63}.clusterpbx.example"


def an_account(tenant: str = "acme.example", **changes: object) -> Account:
    figures = Figures(2_600_000, 0, 78_400, 0)
    one = Account(
        objective=Objective(tenant, "telephony", (Flow.CALL,), Fraction(999, 1000), "Europe/Paris"),
        start=START,
        end=START + timedelta(days=31),
        until=START + timedelta(days=31),
        raw=figures,
        corrected=figures,
        budget=Budget(Fraction(26784, 10), 0),
        days=((date(2026, 10, 1), Figures(86_400)), (date(2026, 10, 2), figures)),
        incidents=(),
        burns=tuple(Burn(window, None, 0) for window in WINDOWS),
    )
    return replace(one, **changes)  # type: ignore[arg-type]


def terrible() -> Account:
    figures = Figures(0, 2_600_000, 78_400, 3600)
    cause = f"timeout: no answer from {LONG} " * 5
    incident = Incident(
        START, None, 2_600_000, tuple(Flow), (cause, "\x1b[31mred"), START + timedelta(seconds=70)
    )
    objective = Objective(
        LONG, "s" * 60, tuple(Flow), Fraction(99_999, 100_000), "America/Argentina/ComodRivadavia"
    )
    return an_account(
        objective=replace(objective, measure=Measure(Sli.LATENCY, "transfer_delay", 0.5)),
        raw=figures,
        corrected=figures,
        budget=Budget(Fraction(26784, 1000), 2_600_000),
        incidents=(incident,) * 80,
        burns=tuple(Burn(window, Fraction(100_000), 99_999) for window in WINDOWS),
    )


def nothing() -> Account:
    return an_account(
        "bolt.example", raw=Figures(), corrected=Figures(), budget=Budget(Fraction(0), 0), days=()
    )


def test_no_line_is_wider_than_a_terminal_whatever_the_names_and_figures() -> None:
    lines = [*table([an_account(), terrible(), nothing()])]
    for one in (an_account(), terrible(), nothing()):
        lines += details(one)
    assert max(map(len, lines)) <= 80
    assert all(line.isprintable() for line in lines)


def test_the_missed_come_first_and_what_nothing_is_known_of_last() -> None:
    rows = [line.split()[0] for line in table([an_account(), nothing(), terrible()]) if line[2:9].strip()]
    assert [row for row in rows if row in ("met", "missed", "no")] == ["missed", "met", "no"]


def test_a_period_that_goes_on_is_kept_or_below_so_far_and_missed_where_nothing_can_save_it() -> None:
    until = START + timedelta(days=1)
    kept = an_account("kept.example", until=until)
    low = an_account(
        "low.example", until=until, corrected=Figures(80_000, 900), budget=Budget(Fraction(2678), 900)
    )
    lost = replace(low, budget=Budget(Fraction(899), 900))
    lines = list(table([kept, low, lost]))
    rows = [line.split()[0] for line in lines if line.startswith("  ") and " 99.9% " in line]
    assert rows == ["missed", "below", "kept"]
    assert "together 3 services: 1 kept, 1 missed, 1 below so far, 0 without data" in lines
    assert any(line.startswith("kept, below: so far") for line in lines)
    assert "  below target so far, and can still be kept: 98.887% of 99.9% promised, call" in list(
        details(low)
    )
    assert any(line.startswith("  kept so far: ") for line in details(kept))
    assert any(line.startswith("  missed whatever is to come: ") for line in details(lost))


def test_figures_are_cut_off_and_an_open_incident_goes_on() -> None:
    lines = list(details(terrible()))
    assert "  80 incidents" in lines
    assert "    and 60 earlier ones (--format json has all)" in lines
    assert sum("goes on, detected after 1 min 10 s" in line for line in lines) == 20
    # 999 of 1000 and 2,000 more of a million: 99.9499..., never 99.95.
    near = an_account(corrected=Figures(999_499, 501, 0, 0), raw=Figures(999_499, 501, 0, 0))
    assert any("99.949%" in line for line in table([near]))


def test_a_figure_of_too_little_measured_time_is_marked() -> None:
    little = an_account(corrected=Figures(900, 0, 100, 0))
    lines = list(table([little]))
    assert any(line.startswith("  met* ") for line in lines)
    assert lines[-1].startswith("* provisional")


def test_a_burn_rate_explains_itself() -> None:
    rates = {60: Fraction(2000), 300: Fraction(144, 10)}
    told = [burn_told(Burn(window, rate, 9)) for window, rate in rates.items()]
    assert told == ["2000x in 1m", "14.4x in 5m"]
    assert burn_told(Burn(1800, Fraction(100_000), 9)) == ">9999x in 30m"
    assert burn_told(None) == "-"
    fast = an_account(burns=tuple(Burn(window, Fraction(20), 9) for window in WINDOWS))
    assert any(line.startswith("burn: how many times too fast") for line in table([fast]))
    assert not any(line.startswith("burn:") for line in table([an_account()]))


def test_nobody_is_promised_a_page_where_a_budget_burns() -> None:
    # 30 days: 14.4 times over an hour are 14.4 / 720 of the budget.
    objective = Objective("acme.example", "telephony", (Flow.CALL,), Fraction(999, 1000), "UTC")
    burns = tuple(Burn(window, Fraction(20), 9) for window in WINDOWS)
    told = " ".join(
        " ".join(
            details(an_account(objective=objective, burns=burns, start=datetime(2026, 11, 1, tzinfo=UTC)))
        ).split()
    )
    assert "burns 14.4 times too fast or faster over 1 h and 5 min (at that rate 2 % of the budget" in told
    assert "page" not in told.lower()
