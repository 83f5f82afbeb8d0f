"""What `dialtone probe` prints of a run: 80 columns for people, JSON for programs."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from dialtone.config import ProbeSpec, Settings
from dialtone.model import (
    COUNTS,
    TIMINGS,
    Engine,
    Evidence,
    Failure,
    FailureCode,
    Flow,
    Found,
    Mark,
    MediaStream,
    Outcome,
    ProbeRun,
    stream_from_json,
)
from dialtone.wiring import commands
from tests.fakes.records import a_result, a_stream
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
    monkeypatch.setattr(commands, "probe", found)
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


def test_where_the_evidence_lies_is_told_if_there_is_some(
    dialtone: Dialtone, config: Path, asked: Asked
) -> None:
    config.write_text(config.read_text() + f"data: {config.parent / 'data'}\n")
    assert "evidence" not in dialtone("probe", "call", config, "--tenant", ACME).out
    asked.run = a_run(evidence="evidence/acme/2026-11-24/r1")
    lines = dialtone("probe", "call", config, "--tenant", ACME).out.splitlines()
    assert f"evidence  {config.parent / 'data' / 'evidence/acme/2026-11-24/r1'}" in lines


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


POOR = a_stream(
    "callee", sent=10_000, received=7_500, lost=2_500, late=100, rtt=1.2345, jitter=0.1234, mos=2.1
)


def test_a_call_with_media_says_who_heard_whom_and_how_well(
    dialtone: Dialtone, config: Path, asked: Asked
) -> None:
    odd = replace(POOR, duplicates=1_000, reordered=20, digits="0123456789*#ABCD")
    asked.run = a_run(media=(a_stream("caller"), odd))
    lines = dialtone("probe", "call", config, "--tenant", ACME).out.splitlines()
    at = lines.index("media:                  codec   sent   got    lost late   jitter      rtt   MOS")
    assert lines[at + 1 : at + 4] == [
        "  caller hears callee   PCMU     100   100   0.00%    0   4.0 ms  30.0 ms  4.41",
        "  callee hears caller   PCMU   10000  7500  25.00%  100 123.4 ms  1234 ms  2.10",
        "    1,000 packets twice, 20 out of order, digits 0123456789*#ABCD",
    ]
    assert lines[at + 4] == "phases:"
    assert max(map(len, lines)) <= 80


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (Found.ECHO, "heard its own voice, come back"),
        (Found.OTHER, "heard the voice of another call"),
        (Found.SOUND, "heard a sound that is no voice of ours"),
        (Found.SILENCE, "heard silence"),
        (Found.NOTHING, "no packet came"),
    ],
)
def test_what_was_heard_instead_of_the_voice_is_told_and_what_nobody_knows_is_a_dash(
    dialtone: Dialtone, config: Path, asked: Asked, found: Found, words: str
) -> None:
    asked.run = a_run(FailureCode.NO_MEDIA, media=(MediaStream("platform", "caller", found),))
    out = dialtone("probe", "call", config, "--tenant", ACME).out
    row = "  caller hears platform -          -     0       -    0        -        -     -"
    assert f"{row}\n    {words}\n" in out


def test_a_voice_that_was_heard_needs_no_words(dialtone: Dialtone, config: Path, asked: Asked) -> None:
    asked.run = a_run(media=(a_stream("caller"),))
    assert "heard" not in dialtone("probe", "call", config, "--tenant", ACME).out


def test_a_call_without_media_says_nothing_of_them(dialtone: Dialtone, config: Path, asked: Asked) -> None:
    assert "media" not in dialtone("probe", "call", config, "--tenant", ACME).out


def test_json_has_what_each_side_heard(dialtone: Dialtone, config: Path, asked: Asked) -> None:
    asked.run = a_run(FailureCode.POOR_MEDIA, media=(POOR,))
    [told] = json.loads(dialtone("probe", "call", config, "--tenant", ACME, "--format", "json").out)
    assert [stream_from_json(one) for one in told["media"]] == [POOR]
    assert told["media"][0]["loss_ratio"] == 0.25


def test_a_probe_with_media_is_not_placed_by_an_engine_that_hears_nothing(
    dialtone: Dialtone, config: Path, asked: Asked
) -> None:
    text = config.read_text().replace("interval: 3s, timeout: 1s", "interval: 60s, media: true")
    config.write_text(text)
    said = dialtone("probe", "call", config, "--tenant", ACME, "--engine", "sipp")
    assert (said.code, asked.specs) == (3, [])
    assert "engine sipp hears nothing here; use engine sippy" in said.err
