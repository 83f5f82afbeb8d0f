"""Canonical JSON: the same figures are the same bytes."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from fractions import Fraction
from typing import Any

import pytest

from dialtone.model import Measure, Sli
from dialtone.sla.figures import Figures
from dialtone.sla.statements import render
from dialtone.sla.statements.asjson import canonical_json, figures_json, rfc3339
from tests.fakes.statements import a_statement, an_account, an_incident, an_objective, many_incidents


def test_canonical_json_has_sorted_keys_no_spaces_and_letters_as_they_are() -> None:
    assert canonical_json({"b": [1, None, True], "a": {"é": "x y"}}) == '{"a":{"é":"x y"},"b":[1,null,true]}'


def test_what_is_no_number_is_refused() -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        canonical_json({"a": float("nan")})


def test_instants_are_in_utc_whatever_their_zone() -> None:
    at = datetime(2026, 10, 3, 14, 2, tzinfo=timezone(timedelta(hours=-4)))
    assert rfc3339(at) == "2026-10-03T18:02:00Z"
    assert rfc3339(at + timedelta(milliseconds=1500)) == "2026-10-03T18:02:01.500000Z"


def test_figures_are_the_same_bytes_whenever_and_by_whomever_they_are_written() -> None:
    account = an_account(incidents=many_incidents())
    early, late = (
        json.loads(render(a_statement(accounts=(account,), made=datetime(2026, 11, day, tzinfo=UTC)), "json"))
        for day in (1, 20)
    )
    assert early["made"] != late["made"]
    assert canonical_json(early["figures"]) == canonical_json(late["figures"]) == figures_json((account,))
    assert "made" not in figures_json((account,))


def test_a_share_is_exact_and_cut_off_beside_it() -> None:
    account = replace(an_account(), corrected=Figures(good=994999, bad=5001))
    kept = _only(account)["corrected"]["availability"]
    assert kept == {"numerator": 994999, "denominator": 1000000, "percent": "99.499"}


def test_seconds_are_whole_numbers_and_nothing_is_a_float() -> None:
    def floats(value: object) -> bool:
        if isinstance(value, dict):
            return any(map(floats, value.values()))
        return any(map(floats, value)) if isinstance(value, list) else isinstance(value, float)

    measure = Measure(Sli.LATENCY, "pdd", 2.5)
    account = an_account(
        objective=an_objective(measure=measure, target=Fraction(2, 3)), incidents=many_incidents()
    )
    assert not floats(json.loads(render(a_statement(accounts=(account,)), "json")))


def test_what_was_not_measured_is_null_and_not_zero() -> None:
    account = an_account(unknown=dict.fromkeys(range(1, 32), 86400))
    found = _only(account)
    assert found["met"] is None
    assert found["corrected"]["availability"] is None
    assert found["corrected"]["coverage"] == {"numerator": 0, "denominator": 1, "percent": "0.000"}
    assert found["provisional"] is True


def test_an_incident_that_goes_on_has_no_end_and_no_time_to_recover() -> None:
    start = datetime(2026, 10, 31, 23, 0, tzinfo=UTC)
    (incident,) = _only(an_account(incidents=(an_incident(start, 600, end=None),)))["incidents"]
    assert (incident["end"], incident["to_recover"], incident["to_detect"]) == (None, None, 8)


def test_an_open_month_has_no_closing_and_a_closed_one_its_hash() -> None:
    assert json.loads(render(a_statement(closing=None), "json"))["closing"] is None
    assert len(json.loads(render(a_statement(), "json"))["closing"]["hash"]) == 64


def test_names_of_probes_stay_inside() -> None:
    account = an_account(objective=an_objective(probes=("secret-probe",)))
    assert b"secret-probe" not in render(a_statement(accounts=(account,)), "json")


def _only(account: Any) -> Any:
    (found,) = json.loads(figures_json((account,)))
    return found
