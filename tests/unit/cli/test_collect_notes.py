"""What `dialtone collect` says beside the figures."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import pytest
from rich.console import Console

from dialtone.cli.collect import _print_tables
from dialtone.model import (
    Catalog,
    Check,
    CheckState,
    CollectError,
    CollectFailure,
    Kind,
    MetricDef,
    MetricScope,
    Node,
    NodeKind,
    NodeState,
    Reading,
    Role,
    TopologyKind,
    Trouble,
)
from dialtone.wiring import commands, parts
from dialtone.wiring.commands import Collected
from tests.fakes.results import ACME, NOON, a_node, a_state
from tests.fakes.topologies import a_link, a_member, a_topology_state
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

    monkeypatch.setattr(commands, "collect", collected)
    monkeypatch.setattr(parts, "build_catalog", lambda: Catalog([SCORES]))
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

    monkeypatch.setattr(commands, "collect", collected)
    said = dialtone("collect", config)
    assert said.code == code
    assert said.out.startswith("sip1  opensips  up")
    assert said.err.splitlines() == [
        rf"note: sip1 is up, without its {part}: {failure}: no\x1b[2J" for part, failure in unread.items()
    ]


def collected(monkeypatch: pytest.MonkeyPatch, found: Collected) -> None:
    """Have the next poll find this."""

    async def collect(*_: object) -> Collected:
        return found

    monkeypatch.setattr(commands, "collect", collect)


PAIR = a_topology_state(
    members=(a_member("db1", role=Role.ACTIVE, writable=True), a_member("db2", role=Role.PASSIVE)),
    links=(a_link("db2", "db1", sql_running=False, lag=None),),
    checks=(Check(Trouble.SQL_STOPPED, CheckState.BAD, "db2", "", 1.0, "stopped by hand"),),
    tenants=(ACME,),
)
PICTURE = [
    "main  active-passive  EXPOSED  1 tenant",
    "  db1  active   writable   10.11.19-MariaDB  clock +0.000 s",
    "    └─> db2  I/O yes  SQL NO  lag unknown",
    "  db2  passive  read-only  10.11.19-MariaDB  clock +0.000 s",
    "  sql-stopped  db2  exposed  stopped by hand",
    f"  tenants  {ACME}",
]
ALONE = a_topology_state("db9", TopologyKind.STANDALONE, members=(a_member("db9"),))


def test_topologies_are_drawn_after_the_nodes_and_what_is_wrong_with_them_is_no_failure_of_ours(
    dialtone: Dialtone, config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    collected(monkeypatch, Collected((a_state(a_node("sip1")),), "", {}, (PAIR, ALONE)))
    said = dialtone("collect", config)
    assert said.code == 0
    first, *lines = said.out.splitlines()
    assert first.startswith("sip1  opensips  up")
    begin = lines.index(PICTURE[0])
    assert lines[begin - 1] == ""
    assert lines[begin:] == [*PICTURE, "", "db9  standalone  fine", *lines[-1:]]


def test_the_picture_alone_may_be_had_and_json_is_the_list_of_nodes_that_it_was(
    dialtone: Dialtone, config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    collected(monkeypatch, Collected((a_state(a_node("sip1")),), "", {}, (PAIR,)))
    assert dialtone("collect", config, "--format", "topology").out.splitlines() == PICTURE
    assert [node["node"] for node in json.loads(dialtone("collect", config, "--format", "json").out)] == [
        "sip1"
    ]


def test_a_terminal_without_lines_to_draw_with_is_shown_ascii(
    dialtone: Dialtone, config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Console, "encoding", "iso-8859-1")
    collected(monkeypatch, Collected((), "", {}, (PAIR,)))
    out = dialtone("collect", config, "--format", "topology").out
    assert out.isascii()
    assert "    `-> db2  I/O yes" in out


def test_a_topology_of_which_not_all_nodes_were_asked_is_not_drawn_and_said_so(
    dialtone: Dialtone, config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    more = """
  - {name: db2, kind: mysql, dsn: "mysql://u@127.0.0.1:9", password: {env: DB_PASSWORD}}
topologies:
  - {name: main, kind: active-passive, nodes: [db1, db2]}
accounts:"""
    config.write_text(config.read_text().replace("\naccounts:", more))
    collected(monkeypatch, Collected((), "", {}))
    note = "note: topology main is left out: not all of its nodes were polled\n"
    assert dialtone("collect", config, "--node", "db1").err == note
    assert dialtone("collect", config, "--node", "db1", "--format", "json").err == ""
    assert dialtone("collect", config, "--node", "sip1").err == ""
    assert dialtone("collect", config, "--node", "db1", "--node", "db2").err == ""


def test_why_a_database_did_not_tell_tenants_is_a_note(
    dialtone: Dialtone, config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    untold = {"main": CollectError(CollectFailure.CONNECT, "connection refused by 127.0.0.1:9")}
    collected(monkeypatch, Collected((), "", {}, (PAIR,), untold))
    said = dialtone("collect", config, "--format", "topology")
    assert said.err == "note: no tenants of topology main: connect: connection refused by 127.0.0.1:9\n"
    assert said.code == 0
