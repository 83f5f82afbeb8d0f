"""What a probe's keys become: plan, engine, quiet hours, and what accounts they need."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
import trustme

from dialtone.config import ConfigError, EvidenceLimits, ProbeSpec, ResultLimits
from dialtone.config.addresses import transport
from dialtone.config.plans import KNOWN_BY
from dialtone.config.quiet import quiet_spans
from dialtone.config.schema import ProbeEntry
from dialtone.model import (
    AnsweredBy,
    CalledFrom,
    ChangedBy,
    Engine,
    EventPackage,
    Flow,
    Hears,
    MediaPlan,
    Plan,
    Side,
    TlsPlan,
    WeekSpan,
    is_covered,
)
from tests.unit.config.conftest import HEAD, Reader

ACME = "acme.ntek.clusterpbx.example"


def probe(read: Reader, keys: str) -> ProbeSpec:
    """Return the one probe with these keys, of a tenant with two accounts."""
    text = f"{HEAD}accounts: {{file: accounts.csv}}\nprobes: [{{name: p, tenants: [{ACME}], {keys}}}]\n"
    (found,) = read(text).probes
    return found


@pytest.mark.parametrize("flow", Flow)
def test_without_keys_of_its_own_a_probe_has_the_usual_plan(read: Reader, flow: Flow) -> None:
    target = "https://{tenant}/admin?x=1" if flow is Flow.HTTP else "sip:front.example"
    found = probe(read, f"flow: {flow}, target: '{target}'")
    assert (found.plan, found.target, found.quiet) == (Plan(), target, ())
    assert found.engine is (Engine.SERVICE if flow is Flow.HTTP else Engine.SIPPY)


def test_every_field_of_a_plan_has_a_key_and_its_default(read: Reader) -> None:
    fields = set(Plan.__dataclass_fields__)
    assert set(KNOWN_BY) == fields - {"tls"}
    assert fields <= set(ProbeEntry.model_fields)


def test_a_call_says_who_calls_whom_from_where_and_for_how_long(read: Reader) -> None:
    found = probe(
        read,
        "flow: call, target: 'sip:[::1]:5060;transport=tcp', number: '6100', called_from: trunk, "
        "caller_id: '+15145550100', answered_by: callee, hangs_up: callee, ring: 0, hold: 2s, "
        "headers: {X-Billing: none}, caller_target: 'sips:trunk.example', outbound_proxy: 'sip:10.0.0.1'",
    )
    assert found.plan == Plan(
        number="6100",
        called_from=CalledFrom.TRUNK,
        caller_id="+15145550100",
        answered_by=AnsweredBy.CALLEE,
        hangs_up=Side.CALLEE,
        ring=0.0,
        hold=2.0,
        headers=(("X-Billing", "none"),),
        caller_target="sips:trunk.example",
        outbound_proxy="sip:10.0.0.1",
    )


def test_a_call_from_the_trunk_to_the_platform_needs_no_account(read: Reader) -> None:
    keys = "flow: call, target: 'sip:h', number: 600, answered_by: platform"
    text = HEAD + f"probes: [{{name: p, {keys}, called_from: trunk}}, {{name: q, {keys}}}]\n"
    from_trunk, from_phone = read(text).probes
    assert len(from_trunk.tenants) == 2
    assert from_phone.tenants == ()


def test_dialogs_are_changed_by_calls_unless_told(read: Reader) -> None:
    found = probe(read, "flow: presence, target: 'sip:h', event: dialog")
    assert (found.plan.event, found.plan.changed_by) == (EventPackage.DIALOG, ChangedBy.CALL)


def test_tls_names_its_authority_beside_the_configuration(read: Reader, folder: Path) -> None:
    trustme.CA().cert_pem.write_to_path(folder / "ca.pem")
    found = probe(read, "flow: register, target: 'sip:h;transport=TLS', tls: {ca: ca.pem, name: Fr.Example}")
    assert found.plan.tls == TlsPlan(str(folder / "ca.pem"), "fr.example")
    assert probe(read, "flow: http, target: 'https://h/', tls: {verify: false}").plan.tls.verify is False


@pytest.mark.parametrize(
    ("uri", "how"),
    [
        ("sip:h", "udp"),
        ("sips:h", "tls"),
        ("SIPS:h;transport=tls", "tls"),
        ("sip:h:5060;transport=TCP", "tcp"),
        ("sip:[::1];transport=udp", "udp"),
    ],
)
def test_the_transport_of_a_server_is_in_its_uri(uri: str, how: str) -> None:
    assert transport(uri) == how


def test_a_call_has_no_media_unless_it_is_asked_for(read: Reader) -> None:
    assert probe(read, "flow: call, target: 'sip:h', media: false").plan.media is None
    assert probe(read, "flow: call, target: 'sip:h', media: true").plan.media == MediaPlan()
    assert probe(read, "flow: call, target: 'sip:h', media: {}").plan.media == MediaPlan()


def test_media_say_how_long_what_is_heard_keyed_and_reached_and_in_which_codecs(read: Reader) -> None:
    keys = "media: {for: 3500ms, hears: voice, dtmf: '0*#bD', mos: 4.4, codecs: [PCMA]}"
    found = probe(read, f"flow: call, target: 'sip:h', {keys}")
    assert found.plan.media == MediaPlan(3.5, Hears.VOICE, "0*#BD", 4.4, ("PCMA",))
    ordered = probe(read, "flow: call, target: 'sip:h', media: {codecs: [pcma, pcmu], mos: 1, for: 0.5}")
    assert ordered.plan.media == MediaPlan(0.5, mos=1.0, codecs=("PCMA", "PCMU"))


def test_of_a_platform_that_answers_any_sound_is_heard_unless_it_is_an_echo(read: Reader) -> None:
    answers = "flow: call, target: 'sip:h', number: 600, answered_by: platform"
    assert probe(read, f"{answers}, media: true").plan.media == MediaPlan(hears=Hears.SOUND)
    echoing = probe(read, f"{answers}, media: {{hears: echo, dtmf: 159#}}").plan.media
    assert echoing == MediaPlan(hears=Hears.ECHO, dtmf="159#")


@pytest.mark.parametrize(
    "keys", ["media: {for: 6.8s}", "hold: 6.8s, media: true", "media: {for: 6s, dtmf: '12345'}"]
)
def test_a_call_with_media_that_just_fits_into_its_timeout_is_taken(read: Reader, keys: str) -> None:
    assert probe(read, f"flow: call, target: 'sip:h', {keys}").timeout == 10.0
    with pytest.raises(ConfigError, match=r"does not fit into the probe's timeout of 9\.9s"):
        probe(read, f"flow: call, target: 'sip:h', timeout: 9.9s, {keys}")


def test_a_target_may_be_the_tenants_own_domain(read: Reader) -> None:
    assert probe(read, "flow: options, target: 'sip:{tenant};transport=tcp'").target.startswith(
        "sip:{tenant}"
    )


def test_evidence_has_limits_and_safe_defaults(read: Reader) -> None:
    assert read(HEAD).evidence == EvidenceLimits(7 * 86400, 30 * 86400, 10, 10**10)
    given = read(HEAD + "evidence: {keep: 2d, keep_failures: 90d, every: 1, max_size: 1.5GiB}\n").evidence
    assert given == EvidenceLimits(2 * 86400, 90 * 86400, 1, 3 << 29)


def test_results_have_limits_and_defaults(read: Reader) -> None:
    assert read(HEAD).results == ResultLimits(30 * 86400, 1_000_000, 90 * 86400)
    given = read(HEAD + "results: {keep: 2d, most: 50000, hours: 1d}\n").results
    assert given == ResultLimits(2 * 86400, 50_000, 86400)


def test_probes_that_need_no_phone_are_in_no_note(read: Reader) -> None:
    text = HEAD + "probes:\n  - {name: o, flow: options, target: 'sip:h'}\n"
    assert read(text + "  - {name: w, flow: http, target: 'http://h/'}\n").notes == ()


EVERY_DAY = frozenset(range(7))


@pytest.mark.parametrize(
    ("word", "span"),
    [
        ("22:00-06:00", WeekSpan(EVERY_DAY, 1320, 360)),
        ("sat,sun", WeekSpan(frozenset({5, 6}), 0, 1440)),
        ("Mon-Fri 12:00-13:30", WeekSpan(frozenset(range(5)), 720, 810)),
        ("fri-mon 20:00-24:00", WeekSpan(frozenset({4, 5, 6, 0}), 1200, 1440)),
        ("sun 23:00-00:00", WeekSpan(frozenset({6}), 1380, 0)),
    ],
)
def test_quiet_hours_are_read(word: str, span: WeekSpan) -> None:
    assert quiet_spans([word]) == (span,)


def test_a_span_over_midnight_belongs_to_the_day_on_which_it_begins() -> None:
    spans = quiet_spans(["fri 22:00-06:00"])
    friday, saturday = datetime(2026, 11, 20, tzinfo=UTC).weekday(), 5
    assert is_covered(spans, friday, 22 * 60)
    assert is_covered(spans, saturday, 6 * 60 - 1)
    assert not is_covered(spans, saturday, 6 * 60)
    assert not is_covered(spans, friday, 5 * 60)
    assert not is_covered(spans, saturday, 23 * 60)
