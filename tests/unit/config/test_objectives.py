"""What a tenant is promised: shares read exactly, inheritance down the tree, and what `check` says of it."""

from collections.abc import Mapping
from datetime import date
from fractions import Fraction
from typing import Final

import pytest

from dialtone.config import Settings
from dialtone.config.document import WrittenNumber
from dialtone.config.merging import TIMED_BY
from dialtone.config.quiet import WEEK_MINUTES, week_minutes
from dialtone.config.terms import percent, share
from dialtone.model import (
    AVAILABILITY,
    TIMINGS,
    Credit,
    EvidenceKind,
    Flow,
    Measure,
    Objective,
    Sli,
    WeekSpan,
    is_covered,
)
from tests.unit.config.conftest import Reader, refusals

TREE: Final = """\
location: mtl1
platform: {domain: clusterpbx.example, timezone: America/Montreal}
tenants:
  - {domain: ntek.clusterpbx.example}
  - {domain: acme.ntek.clusterpbx.example}
  - {domain: bolt.ntek.clusterpbx.example, timezone: Europe/Paris}
  - {domain: modulis.clusterpbx.example}
nodes: [{name: sip1, kind: opensips, mi: "http://127.0.0.1:8888/mi"}]
"""
NTEK, ACME, BOLT, MODULIS = (
    f"{name}clusterpbx.example" for name in ("ntek.", "acme.ntek.", "bolt.ntek.", "modulis.")
)
PING: Final = '{name: ping, flow: options, target: "sip:h"}'
PAGES: Final = '{name: pages, flow: http, target: "http://h/"}'
CALLS: Final = (
    '{name: calls, flow: call, target: "sip:h", number: "6", called_from: trunk, answered_by: platform}'
)
HEARD: Final = CALLS.replace("name: calls", "name: heard, media: true")


def settings(read: Reader, *objectives: str, probes: tuple[str, ...] = (PING, PAGES)) -> Settings:
    """Return what a platform of four tenants with these entries says."""
    return read(f"{TREE}probes: [{', '.join(probes)}]\nobjectives: [{', '.join(objectives)}]\n")


def by_tenant(
    read: Reader, *objectives: str, probes: tuple[str, ...] = (PING, PAGES)
) -> Mapping[str, Objective]:
    """Return the objectives of the only service by tenant."""
    found = settings(read, *objectives, probes=probes).objectives
    assert len({one.service for one in found}) == 1
    return {one.tenant: one for one in found}


def notes(read: Reader, *objectives: str, probes: tuple[str, ...] = (PING,)) -> list[str]:
    return [note for note in settings(read, *objectives, probes=probes).notes if note.startswith("objective")]


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("99.95%", Fraction(1999, 2000)),
        ("99.95 %", Fraction(1999, 2000)),
        ("0.9995", Fraction(1999, 2000)),
        ("'0.9995'", Fraction(1999, 2000)),
        ("99.999999999999%", Fraction(99999999999999, 10**14)),
        ("0.12345678901234", Fraction(12345678901234, 10**14)),
        ("100%", Fraction(1)),
        ("1.0", Fraction(1)),
    ],
)
def test_a_share_is_read_to_the_last_digit(read: Reader, written: str, value: Fraction) -> None:
    found = by_tenant(read, f"{{name: a, flows: [options], target: {written}}}")
    assert found[ACME].target == value


@pytest.mark.parametrize(
    "raw", [99.95, 1, 0, True, None, "", "1", "٩٩%", "1e2%", "-1%", "0.0", "99.9999999999999%", "1.5", [1]]
)
def test_what_is_no_share_is_refused_in_words(raw: object) -> None:
    with pytest.raises(ValueError, match=r"share|over 0 %"):
        share(raw)


def test_a_number_knows_how_it_was_written() -> None:
    number = WrittenNumber("0.99949999999999")
    assert share(number) == Fraction("0.99949999999999")
    assert (percent(Fraction(1999, 2000)), percent(Fraction(1, 1000))) == ("99.95 %", "0.1 %")


def test_who_says_no_more_gets_availability_of_a_calendar_month_in_its_own_zone(read: Reader) -> None:
    found = by_tenant(read, "{name: telephony, flows: [options, http], target: 99.9%}")
    assert list(found) == [NTEK, ACME, BOLT, MODULIS]
    usual = Objective(ACME, "telephony", (Flow.OPTIONS, Flow.HTTP), Fraction(999, 1000), "America/Montreal")
    assert found[ACME] == usual
    assert found[BOLT].zone == "Europe/Paris"
    assert (usual.measure, usual.rolling, usual.maintenance) == (AVAILABILITY, 0, 14400)


def test_every_term_is_read(read: Reader) -> None:
    entry = (
        "{name: c, flows: [call], mos: 3.65, target: 98%, period: 30d, hours: [mon-fri 08:00-18:00], "
        "zone: Europe/Paris, maintenance: 90m, probes: [heard], starts: 2026-10-12, ends: 2027-10-11, "
        "credits: [{below: 98%, credit: 10%}, {below: 95%, credit: 100%}]}"
    )
    found = by_tenant(read, entry, probes=(HEARD,))[ACME]
    assert found == Objective(
        ACME,
        "c",
        (Flow.CALL,),
        Fraction(98, 100),
        "Europe/Paris",
        measure=Measure(Sli.MOS, threshold=3.65),
        probes=("heard",),
        rolling=30,
        hours=(WeekSpan(frozenset(range(5)), 480, 1080),),
        maintenance=5400,
        credits=(Credit(Fraction(98, 100), Fraction(1, 10)), Credit(Fraction(95, 100), Fraction(1))),
        starts=date(2026, 10, 12),
        ends=date(2027, 10, 11),
    )


def test_a_timing_may_have_any_threshold_and_none_of_it_is_a_rounding_of_a_float(read: Reader) -> None:
    entry = "{name: q, flows: [call], latency: {timing: srd, under: 570ms}, target: 95%}"
    assert by_tenant(read, entry, probes=(CALLS,))[ACME].measure == Measure(Sli.LATENCY, "srd", 0.57)


@pytest.mark.parametrize(
    ("keys", "evidence", "passive"),
    [
        ("evidence: either", EvidenceKind.EITHER, Measure(Sli.PASSIVE, threshold=0.9, other=0.1)),
        ("evidence: passive, passive: {isa: 5%}", EvidenceKind.PASSIVE, Measure(Sli.PASSIVE, other=0.05)),
        (
            "evidence: either, passive: {seer: 85%}",
            EvidenceKind.EITHER,
            Measure(Sli.PASSIVE, threshold=0.85),
        ),
        ("evidence: synthetic", EvidenceKind.SYNTHETIC, None),
    ],
)
def test_traffic_may_have_a_say(
    read: Reader, keys: str, evidence: EvidenceKind, passive: Measure | None
) -> None:
    found = by_tenant(read, f"{{name: t, flows: [call], target: 99%, {keys}}}", probes=(CALLS,))[ACME]
    assert (found.evidence, found.passive) == (evidence, passive)


def test_where_traffic_alone_decides_no_probe_is_needed_and_the_platform_has_none(read: Reader) -> None:
    found = by_tenant(read, "{name: t, flows: [call], target: 99%, evidence: passive}", probes=(PING,))
    assert set(found) == {NTEK, ACME, BOLT, MODULIS}


def test_the_nearest_entry_wins_key_by_key(read: Reader) -> None:
    found = by_tenant(
        read,
        "{name: a, flows: [options], target: 99.9%, maintenance: 2h, period: 7d}",
        f"{{name: a, tenants: [{ACME}], target: 99.99%}}",
        f"{{name: a, tenants: [{NTEK}], target: 99%, maintenance: 1h}}",
    )
    told = {domain: (one.target, one.maintenance, one.rolling) for domain, one in found.items()}
    assert told == {
        NTEK: (Fraction(99, 100), 3600, 7),
        ACME: (Fraction(9999, 10000), 3600, 7),
        BOLT: (Fraction(99, 100), 3600, 7),
        MODULIS: (Fraction(999, 1000), 7200, 7),
    }


def test_a_nearer_measure_takes_the_place_of_the_one_above(read: Reader) -> None:
    found = by_tenant(
        read,
        "{name: a, flows: [call], target: 95%, mos: 3.6}",
        f"{{name: a, tenants: [{ACME}], latency: {{timing: pdd, under: 1s}}}}",
        probes=(HEARD,),
    )
    assert (found[ACME].sli, found[BOLT].sli) == (Sli.LATENCY, Sli.MOS)


def test_an_objective_may_be_of_one_reseller_alone(read: Reader) -> None:
    found = by_tenant(read, f"{{name: a, tenants: [{NTEK}], flows: [options], target: 99%}}")
    assert set(found) == {NTEK, ACME, BOLT}


def test_what_is_taken_back_is_promised_to_nobody_below_until_an_entry_promises_again(read: Reader) -> None:
    found = by_tenant(
        read,
        "{name: a, flows: [options], target: 99%}",
        f"{{name: a, tenants: [{NTEK}], promised: false}}",
        f"{{name: a, tenants: [{BOLT}], target: 98%}}",
    )
    assert set(found) == {MODULIS, BOLT}
    assert found[BOLT].flows == (Flow.OPTIONS,)


def test_they_come_in_the_order_of_the_file_and_then_of_the_tree(read: Reader) -> None:
    found = settings(
        read,
        f"{{name: z, tenants: [{ACME}], flows: [http], target: 99%}}",
        "{name: a, flows: [options], target: 99%}",
    ).objectives
    assert [(one.service, one.tenant) for one in found] == [
        ("z", ACME), ("a", NTEK), ("a", ACME), ("a", BOLT), ("a", MODULIS)
    ]  # fmt: skip


def test_who_has_no_probe_of_a_flow_is_named_and_not_accounted_for(read: Reader) -> None:
    some = f'{{name: some, flow: http, target: "http://h/", tenants: [{ACME}]}}'
    whole = settings(read, "{name: a, flows: [options, http], target: 99%}", probes=(PING, some))
    assert [one.tenant for one in whole.objectives] == [ACME]
    others = f"{NTEK}, {BOLT}, {MODULIS}"
    assert whole.notes == (
        f"objective a of 3 tenants has no probe of flow http, and is not accounted for: {others}",
    )


def test_an_objective_that_nobody_can_have_is_said_to_be_so(read: Reader) -> None:
    whole = settings(read, "{name: a, flows: [register, options], target: 99%}")
    assert whole.objectives == ()
    assert whole.notes == (
        "objective a holds for nobody: no tenant has a probe of each of its flows (register, options)",
    )


def test_a_score_is_of_the_probes_that_listen_and_the_others_do_not_spoil_it(read: Reader) -> None:
    entry = "{name: m, flows: [call], mos: 3.6, target: 98%}"
    assert by_tenant(read, entry, probes=(CALLS, HEARD))[ACME].probes == ("heard",)
    assert by_tenant(read, entry, probes=(HEARD,))[ACME].probes == ()
    assert notes(read, entry, probes=(CALLS,)) == [
        "objective m holds for nobody: no tenant has a probe of each of its flows (call)"
    ]


@pytest.mark.parametrize(
    ("target", "interval", "said"),
    [
        ("99.9%", "60s", ""),
        (
            "99.99%",
            "60s",
            "one bad slice of probe ping (60 s) spends 23 % of the budget of a month; 10s would do",
        ),
        ("99.99%", "10s", ""),
        (
            "99.9999%",
            "60s",
            (
                "one bad slice of probe ping (60 s) spends more than the budget of a month; no interval "
                "would do; lower the target. And 43,200 probes without one failure prove no more than "
                "99.993 %, at 95 % confidence"
            ),
        ),
        (
            "100%",
            "60s",
            (
                "a target of 100 % has no budget: the first bad slice misses it, and no burn rate can warn "
                "of it"
            ),
        ),
    ],
)
def test_what_an_interval_can_not_prove_is_said(read: Reader, target: str, interval: str, said: str) -> None:
    probe = PING.replace("}", f", interval: {interval}, timeout: 2s}}")
    found = notes(read, f"{{name: a, flows: [options], target: {target}}}", probes=(probe,))
    percents = target.replace("%", " %")
    assert found == ([f"objective a ({percents}): {said}"] if said else [])


def test_few_hours_of_service_prove_less(read: Reader) -> None:
    entry = "{name: a, flows: [options], target: 99.9%, hours: ['mon 08:00-09:00']}"
    # 30 days of one hour in 168: 15,428 s, of which 15.4 s may be bad.
    assert "spends more than the budget of a month" in notes(read, entry)[0]


def test_quiet_hours_within_hours_of_service_are_said(read: Reader) -> None:
    quiet = PING.replace("}", ', quiet: ["00:00-04:00"]}')
    entry = "{name: a, flows: [options], target: 99%, zone: America/Montreal"
    said = notes(read, f"{entry}, hours: [mon-fri 02:00-12:00]}}", probes=(quiet,))
    assert said[0] == (
        "objective a (99 %): probe ping is quiet for 10 h a week of the hours of service: coverage is 80 % "
        "at most, and every statement provisional"
    )
    # Paris is six hours ahead: its quiet hours are those of the evening before in Montreal.
    assert len(said) == 1
    assert "is quiet for 4 h" in "".join(
        notes(read, f"{entry}, hours: ['mon 18:00-22:00']}}", probes=(quiet,))
    )


def test_a_credit_for_who_got_what_was_promised_is_said(read: Reader) -> None:
    entry = "{name: a, flows: [options], target: 99%, credits: [{below: 99.5%, credit: 1%}]}"
    assert "gives a credit below 99.5 %, also to who got what was promised" in notes(read, entry)[0]


def test_a_slow_probe_is_no_matter_where_others_are_named(read: Reader) -> None:
    slow = PING.replace("ping", "slow").replace("}", ", interval: 5m}")
    entry = "name: a, flows: [options], target: 99%"
    text = f"{TREE}probes: [{PING}, {slow}]\nobjectives: [{{{entry}}}]\n"
    (said,) = refusals(read, text)
    assert said == (
        "objectives[0]: probe slow: its interval of 300 s does not divide a minute, as those of availability "
        "must (60s, 30s, 20s, 15s, 10s ...); change its `interval`, or name others with `probes`"
    )
    found = by_tenant(read, f"{{{entry}, probes: [ping]}}", probes=(PING, slow))
    assert found[ACME].probes == ("ping",)
    quick = "latency: {timing: options_delay, under: 1s}"
    assert by_tenant(read, f"{{{entry}, {quick}}}", probes=(PING, slow))[ACME].probes == ()


def test_where_probes_have_problems_of_their_own_objectives_do_not_repeat_them(read: Reader) -> None:
    text = (
        f"{TREE}probes: [{{name: p}}]\nobjectives: [{{name: a, flows: [call], target: 99%, probes: [p]}}]\n"
    )
    assert all(said.startswith("probes[0]") for said in refusals(read, text))


def test_a_file_full_of_notes_is_cut(read: Reader) -> None:
    entries = [f"{{name: a{n}, flows: [options, http], target: 99.999%}}" for n in range(40)]
    said = settings(read, *entries).notes
    assert len(said) == 51
    assert said[-1] == "objectives: and 30 notes more like these"


def test_every_timing_is_some_flows(read: Reader) -> None:
    assert {timing for timings in TIMED_BY.values() for timing in timings} == TIMINGS.keys()
    assert set(TIMED_BY) == set(Flow)


def test_minutes_of_the_week_are_those_that_hours_cover() -> None:
    spans = (WeekSpan(frozenset({6}), 1320, 360), WeekSpan(frozenset({2, 3}), 0, 1440))
    found = week_minutes(spans)
    assert found < 1 << WEEK_MINUTES
    assert all(
        bool(found >> (day * 1440 + minute) & 1) == is_covered(spans, day, minute)
        for day in range(7)
        for minute in range(1440)
    )


def test_a_title_is_for_any_language_or_by_language_and_comes_from_above(read: Reader) -> None:
    found = by_tenant(
        read,
        "{name: web, flows: [http], target: 99%, title: {en: Telephony, fr: Téléphonie, fr-CA: Voix}}",
        f"{{name: web, tenants: [{ACME}], target: 99.9%}}",
        f"{{name: web, tenants: [{BOLT}], title: Phones of Bolt}}",
    )

    assert [found[ACME].title(one) for one in ("fr-CA", "fr-FR", "fr", "en", "de")] == [
        "Voix", "Téléphonie", "Téléphonie", "Telephony", "web",
    ]  # fmt: skip
    assert {found[BOLT].title(one) for one in ("fr", "en", "")} == {"Phones of Bolt"}
    assert by_tenant(read, "{name: web, flows: [http], target: 99%}")[ACME].title("en") == "web"


@pytest.mark.parametrize(
    ("title", "words"),
    [
        ("''", "is empty"),
        ("x" * 61, "has 61 characters; 60 are the most"),
        ("{}", "has 0 languages"),
        ("{english: Web}", "'english' is not a language"),
        ("{en: ''}", "'en': is empty"),
        ("{en: [a]}", "'en': must be text, not a list"),
        ('"a\\nb"', "one line of printable text"),
        ("{" + ", ".join(f"{a}{b}: T" for a in "abc" for b in "abcdefgh") + "}", "has 24 languages"),
    ],
)
def test_a_title_that_is_none_is_refused_in_words(read: Reader, title: str, words: str) -> None:
    text = (
        f"{TREE}probes: [{PAGES}]\nobjectives: [{{name: web, flows: [http], target: 99%, title: {title}}}]\n"
    )

    (refusal,) = refusals(read, text)

    assert "title" in refusal
    assert words in refusal
