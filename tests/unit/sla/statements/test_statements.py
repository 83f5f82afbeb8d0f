"""A statement in every format and language: who is named, and what a service measures."""

from dataclasses import replace
from fractions import Fraction

import pytest

from dialtone.model import EvidenceKind, Flow, Measure, Sli, WeekSpan
from dialtone.sla.figures import Account
from dialtone.sla.statements import FORMATS, render
from tests.fakes.statements import (
    CLIENT,
    RESELLER,
    a_closing,
    a_correction,
    a_statement,
    an_account,
    an_exclusion,
    an_objective,
    many_incidents,
    month_of,
)

START, _END = month_of("2026-10", "America/Montreal")
CHARLIE = "charlie.other.clusterpbx.example"


def measuring(measure: Measure, **changed: object) -> Account:
    return an_account(objective=an_objective(measure=measure, service="Fast", **changed))


def words(*accounts: Account, language: str = "en") -> str:
    said = render(a_statement(accounts=accounts, language=language), "text").decode()
    return " ".join(said.split())


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("language", ["en", "fr", "fr-CA", "de"])
def test_every_format_renders_in_every_language_to_the_same_bytes(format: str, language: str) -> None:  # noqa: A002
    made = a_statement(language=language, accounts=(an_account(incidents=many_incidents(count=9)),))
    assert render(made, format) == render(made, format)


def test_another_format_is_refused_in_words() -> None:
    with pytest.raises(ValueError, match="'docx' is no format of a statement; there are html, pdf"):
        render(a_statement(), "docx")


@pytest.mark.parametrize("format", [each for each in FORMATS if each != "pdf"])
def test_charlie_is_on_nobody_elses_statement(format: str) -> None:  # noqa: A002
    """What was declared for others above, or for all, names nobody but the tenant and the issuer."""
    made = a_statement(
        accounts=(an_account(objective=an_objective(probes=(CHARLIE,))),),
        corrections=(a_correction(START, tenant=CHARLIE),),
        excluded=(an_exclusion(START),),
        closing=replace(a_closing(), inputs=CHARLIE, figures=CHARLIE, author=CHARLIE, tenant=CHARLIE),
    )
    said = render(made, format).decode()
    assert CHARLIE not in said
    assert CLIENT.domain in said
    assert RESELLER.domain in said


def test_a_delay_says_which_one_and_how_long() -> None:
    fast = Measure(Sli.LATENCY, "pdd", 2.5)
    assert "Post-dial delay of at most 2.5 s in tests of: calls" in words(measuring(fast))
    assert "judged test by test" in words(measuring(fast))
    assert "Délai après numérotation d’au plus 2,5 s" in words(measuring(fast), language="fr")
    assert "judged test by test" not in words(an_account())


def test_voice_quality_says_how_good() -> None:
    assert "Voice quality (MOS) of at least 3.8 in tests of: calls" in words(
        measuring(Measure(Sli.MOS, "", 3.8))
    )


def test_own_traffic_says_what_it_is_judged_by() -> None:
    passive = Measure(Sli.PASSIVE, threshold=0.95, other=0.025)
    alone = measuring(passive, evidence=EvidenceKind.PASSIVE, passive=passive)
    assert "effective calls (SEER) of at least 95%, ineffective calls (ISA) of at most 2.5%" in words(alone)
    both = measuring(Measure(), evidence=EvidenceKind.EITHER, passive=passive)
    assert "it may add bad time, never remove it" in words(both)


def test_hours_and_rolling_periods_are_told() -> None:
    office = (WeekSpan(frozenset(range(5)), 480, 1080), WeekSpan(frozenset({5}), 540, 720))
    said = words(measuring(Measure(), hours=office, rolling=30, flows=(Flow.CALL, Flow.REGISTER)))
    assert "Mon–Fri 08:00–18:00; Sat 09:00–12:00" in said
    assert "Period: the last 30 days" in said
    assert "calls, registration" in said


def test_the_worst_service_decides_the_headline() -> None:
    met, missed = an_account(), an_account(incidents=many_incidents())
    unmeasured = an_account(unknown=dict.fromkeys(range(1, 32), 86400))
    assert "The targets of all 2 services were met." in words(met, met)
    assert "1 service of 2 missed its target." in words(met, missed)
    assert "2 services of 3 missed their targets. 1 service of 3 was not measured." in words(
        missed, missed, unmeasured
    )
    assert "Nothing was measured." in words(unmeasured)


def test_a_target_with_five_nines_has_figures_with_as_many_decimals() -> None:
    goal = an_objective(target=Fraction("0.9999999"))
    said = words(an_account(objective=goal, incidents=many_incidents(count=1)))
    assert "99.99775%" in said  # 2,678,340 of 2,678,400 seconds: 99.997759...


def test_a_service_of_another_zone_says_so() -> None:
    assert "Calls: by the time zone Europe/Paris." in words(
        an_account(objective=an_objective(zone="Europe/Paris"))
    )


@pytest.mark.parametrize("format", FORMATS)
def test_a_service_is_told_by_its_title_in_the_language_of_the_statement(format: str) -> None:  # noqa: A002
    titled = an_objective(service="telephony", titles={"": "Telephony", "fr": "Téléphones"})
    account = an_account(objective=titled, incidents=many_incidents(count=2))
    said = {
        language: render(a_statement(accounts=(account,), language=language), format)
        for language in ("en", "fr-CA")
    }
    assert said["en"] != said["fr-CA"]
    if format != "pdf":
        assert "Téléphones" in said["fr-CA"].decode()
        assert "Telephony" in said["en"].decode()
        assert "Telephony" not in said["fr-CA"].decode()
        assert ("telephony" in said["en"].decode()) is (format in ("csv", "json"))
