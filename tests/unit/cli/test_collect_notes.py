"""What `dialtone collect` says beside the figures."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import pytest

from dialtone import wiring
from dialtone.cli.collect import _print_tables
from dialtone.model import (
    Catalog,
    CollectFailure,
    Kind,
    MetricDef,
    MetricScope,
    Node,
    NodeKind,
    NodeState,
    Reading,
)
from dialtone.wiring.commands import Collected
from tests.fakes.results import ACME, NOON, a_node, a_state
from tests.unit.cli.conftest import Dialtone


def test_the_domains_that_nobody_configured_are_named_under_their_server(
    capsys: pytest.CaptureFixture[str],
) -> None:
    now = datetime(2026, 3, 1, tzinfo=UTC)
    names = ", ".join(f"d{number:02}.example" for number in range(20)) + " and 980 more"
    state = NodeState(
        Node("sip1", NodeKind.OPENSIPS, "http://127.0.0.1/mi"),
        up=True,
        since=now,
        polled_at=now,
        duration=0.01,
        read_at=now,
        reading=Reading((), {"version": "4.0.1", "unknown domains": names}),
    )
    _print_tables([state], Catalog([]))
    said = " ".join(capsys.readouterr().out.split())
    assert said.startswith("sip1 opensips up")
    assert f"unknown domains: {names}" in said


def test_a_metrics_series_are_together_their_labels_named_once_and_folded_lines_stay_indented(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    now = datetime(2026, 3, 1, tzinfo=UTC)
    up = MetricDef("opensips_up", Kind.GAUGE, "Up", ("node", "destination", "state"))
    load = MetricDef("opensips_load", Kind.GAUGE, "Load", ("node",))
    samples = (
        up.sample("sip1", "sip:" + "a" * 100, "active", value=1, at=now),
        load.sample("sip1", value=0.5, at=now),
        up.sample("sip1", "sip:\x1b[2J", "", value=30000, at=now),
    )
    state = NodeState(
        Node("sip1", NodeKind.OPENSIPS, "http://127.0.0.1/mi"),
        up=True,
        since=now,
        polled_at=now,
        duration=0.01,
        read_at=now,
        reading=Reading(samples, {"lists/ds_list": "MI error 500: \x1b[2J" + " not now" * 20}),
    )
    _print_tables([state], Catalog([up, load]))
    _, *lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 80
    assert all(line.startswith("  ") for line in lines), "a folded line stays where it belongs"
    assert all(line.isprintable() for line in lines), "what a server says is no command of the terminal"
    metrics = [line.split() for line in lines if line[2] != " " and "not now" not in line]
    assert metrics == [["opensips_up", "{destination,", "state}"], ["opensips_load", "0.5"]]
    series = [line.split() for line in lines if line.startswith("    ")]
    assert series[0][0].startswith("sip:aaa")
    assert series[0][-1] == "1"
    assert series[-1] == [r"sip:\x1b[2J,", '""', "30000"]


SCORES = MetricDef(
    "asterisk_tenant_rtp_mos",
    Kind.HISTOGRAM,
    "Scores",
    ("node", "tenant", "reseller", "direction"),
    MetricScope.TENANT,
    buckets=(3.6, 4.03),
)
HEARD = Reading(
    (),
    spreads=(
        SCORES.spread("pbx1", ACME, "ntek", "sent", counts=(1, 0, 3), total=16.5, at=NOON),
        SCORES.spread("pbx1", ACME, "ntek", "received", counts=(0, 0, 0), total=0, at=NOON),
    ),
)


def test_of_a_histogram_the_table_says_how_many_values_and_their_mean(
    capsys: pytest.CaptureFixture[str],
) -> None:
    _print_tables([a_state(a_node("pbx1"), reading=HEARD)], Catalog([SCORES]))
    _, *lines = capsys.readouterr().out.splitlines()
    assert [line.split() for line in lines] == [
        ["asterisk_tenant_rtp_mos", "{tenant,", "reseller,", "direction}"],
        [f"{ACME},", "ntek,", "sent", "4,", "mean", "4.125"],
        [f"{ACME},", "ntek,", "received", "0"],
    ]


def test_of_a_histogram_the_json_says_bounds_counts_and_sum(
    dialtone: Dialtone, config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def collected(*_: object) -> Collected:
        return Collected((a_state(a_node("pbx1"), reading=HEARD),), "", {})

    monkeypatch.setattr(wiring, "collect", collected)
    monkeypatch.setattr(wiring, "build_catalog", lambda: Catalog([SCORES]))
    (node,) = json.loads(dialtone("collect", config, "--format", "json").out)
    assert node["samples"] == []
    assert node["spreads"][0] == {
        "metric": "asterisk_tenant_rtp_mos",
        "labels": {"node": "pbx1", "tenant": ACME, "reseller": "ntek", "direction": "sent"},
        "bounds": [3.6, 4.03],
        "counts": [1, 0, 3],
        "sum": 16.5,
    }


@pytest.mark.parametrize(
    ("unread", "code"),
    [
        ({}, 0),
        ({"database": CollectFailure.AUTH}, 5),
        ({"presence": CollectFailure.DENIED}, 5),
        ({"events": CollectFailure.CONNECT}, 4),
        ({"events": CollectFailure.CONNECT, "database": CollectFailure.DENIED}, 5),
    ],
)
def test_a_node_that_is_up_without_a_part_of_it_has_a_note_for_each_and_a_code(
    dialtone: Dialtone,
    config: Path,
    monkeypatch: pytest.MonkeyPatch,
    unread: Mapping[str, CollectFailure],
    code: int,
) -> None:
    info = {"version": "4.0.1", "lists/ds_list": "MI error 500"} | dict.fromkeys(unread, "no\x1b[2J")
    state = a_state(a_node("sip1"), reading=Reading((), info, unread))

    async def collected(*_: object) -> Collected:
        return Collected((state,), "", {})

    monkeypatch.setattr(wiring, "collect", collected)
    said = dialtone("collect", config)
    assert said.code == code
    assert said.out.startswith("sip1  opensips  up")
    assert said.err.splitlines() == [
        rf"note: sip1 is up, without its {part}: {failure}: no\x1b[2J" for part, failure in unread.items()
    ]
