"""What `dialtone probe` prints of a run: 80 columns for people, JSON for programs."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from dialtone import wiring
from dialtone.config import ProbeSpec, Settings
from dialtone.model import (
    COUNTS,
    TIMINGS,
    Engine,
    Evidence,
    Failure,
    FailureCode,
    Flow,
    Mark,
    Outcome,
    ProbeRun,
)
from tests.fakes.records import a_result
from tests.unit.cli.conftest import Dialtone

ACME = "acme.ntek.clusterpbx.example"
EXPIRES = datetime(2027, 1, 2, 3, 4, tzinfo=UTC)


class Asked:
    """Stands for the wiring: notes which probe was asked for, and answers with a run."""

    def __init__(self, run: ProbeRun) -> None:
        self.run = run
        self.specs: list[ProbeSpec] = []

    async def __call__(self, settings: Settings, spec: ProbeSpec, tenant: str, count: int) -> list[ProbeRun]:
        """Answer."""
        self.specs.append(spec)
        return [self.run] * count


def a_run(code: FailureCode | None = None, **changes: object) -> ProbeRun:
    failure = Failure(code, "the callee did not see it: " + "words " * 30) if code else None
    values = {
        "timings": dict.fromkeys(TIMINGS, 0.0123),
        "counts": dict.fromkeys(COUNTS, 1),
        "certificate_expires": EXPIRES,
        "failure": failure,
        "outcome": code.outcome if code else Outcome.PASS,
    }
    marks = (Mark("registered", 0.01), Mark("a phase with a name of many words " * 4, 0.02))
    return ProbeRun(a_result("r1", ACME, **(values | changes)), Evidence(marks=marks))


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Asked:
    found = Asked(a_run())
    monkeypatch.setattr(wiring, "probe", found)
    return found


@pytest.mark.parametrize(
    ("code", "status"), [(None, 0), (FailureCode.TIMEOUT, 2), (FailureCode.CANARY_FAILED, 3)]
)
def test_a_run_is_told_in_eighty_columns(
    dialtone: Dialtone, config: Path, asked: Asked, code: FailureCode | None, status: int
) -> None:
    asked.run = a_run(code)
    said = dialtone("probe", "call", config, "--tenant", ACME)
    assert said.code == status
    lines = said.out.splitlines()
    assert max(map(len, lines)) <= 80
    assert f"  phone   100@{ACME}" in lines
    assert "  the server's certificate ends 2027-01-02 03:04 UTC" in lines
    told = [line.split()[0].lower() for line in lines if " ms  " in line and line[2] != " "]
    assert told == list(TIMINGS)


def test_json_has_the_counts_and_when_the_certificate_ends(
    dialtone: Dialtone, config: Path, asked: Asked
) -> None:
    said = dialtone("probe", "call", config, "--tenant", ACME, "--count", "2", "--format", "json")
    first, second = json.loads(said.out)
    assert first == second
    assert first["counts"] == dict.fromkeys(COUNTS, 1)
    assert first["certificate_expires"] == EXPIRES.isoformat()
    assert (first["probe"], first["location"]) == ("calls", "mtl1")


def test_a_run_without_phone_or_certificate_has_no_such_line(
    dialtone: Dialtone, config: Path, asked: Asked
) -> None:
    asked.run = a_run(account="", certificate_expires=None)
    out = dialtone("probe", "call", config, "--tenant", ACME).out
    assert "phone" not in out
    assert "certificate" not in out


def test_one_of_several_probes_is_chosen_by_name_else_the_first_that_is_the_tenants(
    dialtone: Dialtone, config: Path, asked: Asked
) -> None:
    text = config.read_text()
    config.write_text(
        text
        + '  - {name: web, flow: http, target: "https://{tenant}/", tenants: [ntek.clusterpbx.example]}\n'
        f'  - {{name: admin, flow: http, target: "http://h/", tenants: [{ACME}]}}\n'
        '  - {name: api, flow: http, target: "http://h/api"}\n'
    )
    dialtone("probe", "http", config, "--tenant", ACME)
    dialtone("probe", "http", config, "--tenant", ACME, "--probe", "api")
    assert [(spec.name, spec.engine, spec.flow) for spec in asked.specs] == [
        ("admin", Engine.SERVICE, Flow.HTTP),
        ("api", Engine.SERVICE, Flow.HTTP),
    ]
