"""Closings of every version there ever was: their bytes verify for ever, and who changes one is told."""

import json
from dataclasses import replace

import pytest

from dialtone.sla.closing import hash_of, inputs_of
from dialtone.sla.verifying import closed_accounts, verified
from dialtone.sla.versions import CURRENT, VERSIONS, version
from tests.fakes.golden import SAMPLES, close, pages, sample

EVERY = sorted(VERSIONS)
HOW = (
    "what a closing writes has changed, so months that are closed already would not verify: leave it as it "
    "was, or add a version to dialtone/sla/versions.py (docs/decisions/0032)"
)


def test_each_version_has_a_sample_and_each_sample_a_version() -> None:
    assert sorted(one.name for one in SAMPLES.iterdir()) == [f"closing-{number}" for number in EVERY]
    assert EVERY[-1] == CURRENT


@pytest.mark.parametrize("number", EVERY)
def test_a_closing_of_each_version_verifies_to_the_byte(number: int) -> None:
    one = sample(number)
    assert json.loads(one.inputs)["version"] == number
    assert one.hash == hash_of(one.previous, one.inputs, one.figures)
    assert verified(one, (), pages()).problems == (), HOW


@pytest.mark.parametrize("number", EVERY)
def test_figures_and_digests_of_each_version_are_the_bytes_they_were(number: int) -> None:
    one = sample(number)
    accounts = closed_accounts(one, pages())
    assert inputs_of(one).version.figures(accounts) == one.figures, HOW
    assert len(accounts) == 4
    assert all(account.corrected.bad and account.corrected.good for account in accounts)


def test_a_month_closed_now_is_the_sample_of_the_newest_version() -> None:
    made, kept = close(), sample(CURRENT)
    assert made.inputs == kept.inputs, HOW
    assert made.figures == kept.figures, HOW
    assert made == kept


def test_a_field_that_a_newer_version_of_the_terms_has_is_no_matter_to_an_older_closing() -> None:
    one = sample(1)
    found = json.loads(one.inputs)
    for objective in found["terms"]["objectives"]:
        del objective["titles"]
    before = json.dumps(found, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    older = replace(one, inputs=before, hash=hash_of(one.previous, before, one.figures))
    assert verified(older, (), pages()).problems == ()


@pytest.mark.parametrize("number", [0, 2, True, "1", 1.0, None, [1]])
def test_a_version_of_later_or_none_is_told_and_not_guessed(number: object) -> None:
    with pytest.raises(ValueError, match="are not known here: use a newer dialtone"):
        version(number)
    found = json.loads(sample(1).inputs) | {"version": number}
    one = replace(sample(1), inputs=json.dumps(found))
    assert any("use a newer dialtone" in problem for problem in verified(one, (), pages()).problems)
