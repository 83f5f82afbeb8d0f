"""The table of a statement: rows that a spreadsheet can filter, and no formulas."""

import csv
from datetime import timedelta
from io import StringIO

import pytest

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


def rows(**changed: object) -> list[dict[str, str]]:
    return list(
        csv.DictReader(StringIO(render(a_statement(**changed), "csv").decode("utf-8-sig"), newline=""))
    )


def test_a_service_is_a_row_with_all_its_figures() -> None:
    account = an_account(incidents=(an_incident(START, 1800),), excluded={3: 600}, taken=600)
    (service,) = (row for row in rows(accounts=(account,)) if row["row"] == "service")
    # 744 h are 2,678,400 s; 600 are excluded, 1,800 bad: 2,676,000 of 2,677,800 are good.
    assert service["good_seconds"] == "2676000"
    assert service["availability_percent"] == "99.932"  # 0.99932780...
    assert service["raw_bad_seconds"] == "2400"
    assert service["raw_availability_percent"] == "99.910"  # 2,676,000 / 2,678,400 = 0.99910394...
    assert service["budget_seconds"] == "1338"  # 0.0005 * 2,677,800 = 1,338.9
    assert service["budget_left_seconds"] == "-462"  # 1,338.9 - 1,800 = -461.1
    assert (service["result"], service["credit_percent"], service["closed"]) == ("missed", "10", "yes")


def test_rows_of_incidents_exclusions_and_corrections_follow() -> None:
    found = rows(
        accounts=(an_account(incidents=many_incidents()),),
        excluded=(an_exclusion(START),),
        corrections=(a_correction(START), a_correction(START, withdrawn=START + timedelta(days=3))),
    )
    kinds = [row["row"] for row in found]
    assert [kinds.count(kind) for kind in ("service", "incident", "excluded", "correction")] == [1, 80, 1, 2]
    assert [row["result"] for row in found[-3:]] == ["maintenance", "excluded", "withdrawn"]
    assert found[1]["start_utc"] == "2026-10-01 04:00:00"


def test_what_was_not_measured_is_empty_and_not_zero() -> None:
    (service,) = rows(accounts=(an_account(unknown=dict.fromkeys(range(1, 32), 86400)),))
    assert (service["availability_percent"], service["result"], service["provisional"]) == (
        "",
        "unmeasured",
        "yes",
    )
    assert (service["lower_percent"], service["upper_percent"]) == ("0.000", "100.000")


@pytest.mark.parametrize(
    "text", ["=cmd|'/c calc'!A1", "+1", "-2+3", "@SUM(A1)", "\t=1", " =1", "\r\n=1", "＝1"]
)
def test_a_text_from_outside_is_never_a_formula(text: str) -> None:
    found = rows(
        tenant=Party("a.example", text),
        accounts=(
            an_account(objective=an_objective(service=text), incidents=(an_incident(START, causes=(text,)),)),
        ),
        excluded=(an_exclusion(START, reason=text, author=text),),
        corrections=(a_correction(START, reason=text, author=text),),
    )
    said = [row[name] for row in found for name in ("tenant_name", "service", "text", "author") if row[name]]
    assert len(said) >= 9
    assert all(each.startswith("'") for each in said)


def test_a_spreadsheet_is_told_that_it_is_utf_8() -> None:
    assert render(a_statement(), "csv").startswith(b"\xef\xbb\xbfrow,issuer,tenant,")


def test_the_table_is_the_same_in_every_language() -> None:
    assert render(a_statement(language="fr"), "csv") == render(a_statement(), "csv")
