"""Certificates that are about to end: told once, in time, by probe, and over when they are renewed."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Literal

from alerts.engine import AlertEngine
from dialtone.model import AlertEvent, Flow, Origin, Outcome
from tests.fakes.alerts import ACME, NOON, result, rules
from tests.unit.alerts.story import told


def met(
    engine: AlertEngine,
    days: float | None,
    *,
    probe: str = "admin",
    outcome: Outcome = Outcome.PASS,
    origin: Origin = Origin.SCHEDULE,
    attempt: Literal[1, 2] = 1,
) -> list[AlertEvent]:
    """Let a probe end that met a certificate with so many days left."""
    one = result(outcome, probe=probe, flow=Flow.HTTP, origin=origin, attempt=attempt)
    expires = None if days is None else NOON + timedelta(days=days)
    return engine.probe_ended(replace(one, certificate_expires=expires), NOON)


def test_a_certificate_with_less_than_14_days_left_is_told_once(engine: AlertEngine) -> None:
    assert met(engine, 14) == []
    [event] = met(engine, 13.75)
    assert (event.rule, event.severity, event.tenant) == ("CertificateExpiring", "warning", ACME)
    assert (event.flow, event.probe, event.location) == ("http", "admin", "mtl1")
    assert event.cause == "the certificate ends on 2026-03-15 at 06:00 UTC, in 13.8 days"
    assert event.value == 13.75 * 86400
    assert met(engine, 13) == []


def test_a_renewed_certificate_ends_the_alert_and_nothing_else_does(engine: AlertEngine) -> None:
    met(engine, 3)
    assert met(engine, None) == []
    assert met(engine, 90, probe="provisioning") == []
    assert met(engine, 90, origin=Origin.MANUAL) == []
    assert told(met(engine, 90)) == ["CertificateExpiring resolved"]


def test_probes_by_hand_and_without_tls_raise_nothing(engine: AlertEngine) -> None:
    assert met(engine, 1, origin=Origin.MANUAL) == []
    assert met(engine, 1, origin=Origin.STRESS) == []
    assert met(engine, None) == []


def test_a_probe_that_fails_for_another_reason_still_shows_its_certificate(engine: AlertEngine) -> None:
    assert told(met(engine, 1, outcome=Outcome.FAIL)) == ["CertificateExpiring firing"]


def test_a_firing_alert_goes_on_after_a_restart_and_still_ends(engine: AlertEngine) -> None:
    met(engine, 3)
    again = AlertEngine(rules())
    assert again.restore(engine.active, watched=lambda _: True, now=NOON) == []
    assert met(again, 2) == []
    assert told(met(again, 90)) == ["CertificateExpiring resolved"]


def test_the_time_left_is_the_operators(tmp_path: Path) -> None:
    own = tmp_path / "rules.yaml"
    own.write_text("rules:\n  - {name: CertificateExpiring, under: 45d}\n")
    engine = AlertEngine(rules(own))
    assert told(met(engine, 44)) == ["CertificateExpiring firing"]
