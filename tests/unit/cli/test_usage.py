"""Wrong arguments: 3 for every command, never the 2 that means a failed probe, and what would be right."""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Final

import pytest

from tests.unit.cli.conftest import Dialtone

ACME: Final = "acme.ntek.clusterpbx.example"
BOLT: Final = "bolt.ntek.clusterpbx.example"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["probe"], "Missing argument '{options|register|call|"),
        (["probe", "call"], "Missing argument 'CONFIG'"),
        (["probe", "call", "CONFIG"], "Missing option '--tenant'"),
        (["probe", "dial", "CONFIG", "--tenant", ACME], "'dial' is not one of 'options', 'register', 'call'"),
        (["probe", "call", "CONFIG", "--tenant", ACME, "--engine", "pjsip"], "'pjsip' is not"),
        (
            ["probe", "call", "CONFIG", "--tenant", ACME, "--engine", "service"],
            "service runs flow http alone",
        ),
        (
            ["probe", "call", "CONFIG", "--tenant", ACME, "--probe", "cals"],
            "no probe is called 'cals'; of flow call there are calls",
        ),
        (["probe", "call", "CONFIG", "--tenant", ACME, "--count", "0"], "0 is not in the range"),
        (["probe", "call", "CONFIG", "--tenant", ACME, "--count", "many"], "'many' is not a valid integer"),
        (
            ["probe", "call", "CONFIG", "--tenant", ACME, "--format", "xml"],
            "'xml' is not one of 'text', 'json'",
        ),
        (["probe", "call", "CONFIG", "--tenant", ACME, "--tennant", "x"], "No such option '--tennant'"),
        (["probe", "call", "CONFIG", "extra", "--tenant", ACME], "unexpected extra argument"),
        (["probe", "call", "CONFIG", "--tenant", "acme"], "acme is not a tenant of "),
        (["probe", "call", "CONFIG", "--tenant", "other.example"], "other.example is not a tenant of "),
        (["probe", "call", "CONFIG", "--tenant", "acme"], "did you mean 'acme.ntek.clusterpbx.example'?"),
        (["probe", "call", "CONFIG", "--tenant", "a b"], "Invalid value for --tenant"),
        (["probe", "call", "CONFIG", "--tenant", ""], "Invalid value for --tenant"),
        (["probe", "call", "CONFIG", "--tenant", BOLT], f"{BOLT} has 1 accounts, a call probe needs 2"),
        (
            ["probe", "call", "CONFIG", "--tenant", "ntek.clusterpbx.example"],
            "ntek.clusterpbx.example has 0 accounts",
        ),
        (["probe", "register", "CONFIG", "--tenant", ACME], "has no probe with flow: register; add one"),
        (["collect", "CONFIG", "--node", "sip2"], "no node is called 'sip2'; "),
        (["collect", "CONFIG", "--node", "sip1", "--node", "SIP1"], "no node is called 'SIP1'; "),
        (["collect", "CONFIG", "--format", "yaml"], "'yaml' is not one of"),
        (["collect"], "Missing argument 'CONFIG'"),
        (["check"], "Missing argument 'CONFIG'"),
        (["check", "CONFIG", "CONFIG"], "unexpected extra argument"),
        (["serve"], "Missing argument 'CONFIG'"),
        (["serve", "CONFIG", "--log-level", "loud"], "'loud' is not one of"),
        (["serve", "CONFIG", "--log-format", "xml"], "'xml' is not one of"),
        (["heartbeat"], "Missing argument 'CONFIG'"),
        (["heartbeat", "CONFIG", "--node", "db2"], "no node is called 'db2'; "),
        (["lab", "sideways"], "No such command 'sideways'"),
        (["dial"], "No such command 'dial'"),
        (["--loud"], "No such option"),
        ([], "Usage: dialtone"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_wrong_argument_is_exit_code_3_and_named(
    dialtone: Dialtone, config: Path, arguments: list[str], words: str
) -> None:
    said = dialtone(*(config if part == "CONFIG" else part for part in arguments))
    assert (said.code, said.out) == (3, "")
    assert words in said.err


def test_an_unknown_node_is_answered_with_those_there_are(dialtone: Dialtone, config: Path) -> None:
    assert "sip1, pbx1, db1" in dialtone("collect", config, "--node", "db2").err


def test_a_configuration_without_probes_has_no_probe_to_run_by_hand(dialtone: Dialtone, config: Path) -> None:
    config.write_text(config.read_text().partition("probes:")[0])
    said = dialtone("probe", "call", config, "--tenant", ACME)
    assert (said.code, said.out) == (3, "")
    assert f"{config} has no probe with flow: call; add one under probes:" in said.err


@pytest.mark.parametrize("shape", ["text", "json"])
def test_a_probe_that_can_not_keep_its_leases_is_unknown_and_not_failed(
    dialtone: Dialtone, config: Path, shape: str
) -> None:
    (config.parent / "data").mkdir()
    (config.parent / "data" / "dialtone.sqlite3").write_bytes(b"no database at all" * 100)
    said = dialtone("probe", "call", config, "--tenant", ACME, "--format", shape)
    assert (said.code, said.out) == (3, "")
    assert "the file is no database" in said.err


@pytest.mark.parametrize("damage", ["rubbish", "newer", "a folder in its place"])
def test_a_store_that_can_not_be_used_keeps_serve_from_starting_with_7(
    dialtone: Dialtone, config: Path, damage: str
) -> None:
    store = config.parent / "data" / "dialtone.sqlite3"
    store.parent.mkdir()
    if damage == "rubbish":
        store.write_bytes(b"no database at all" * 100)
    elif damage == "newer":
        with closing(sqlite3.connect(store)) as database:
            database.execute("PRAGMA user_version = 4711")
    else:
        store.mkdir()
    said = dialtone("serve", config)
    assert (said.code, said.out) == (7, "")
    assert str(store) in said.err


def test_an_address_that_is_not_ours_is_6_and_named(dialtone: Dialtone, config: Path) -> None:
    text = config.read_text().replace("127.0.0.1:0", "127.0.0.1:80000")
    config.write_text(text)
    assert dialtone("serve", config).code == 3
    config.write_text(
        text.replace("127.0.0.1:80000", "192.0.2.1:9876")
        + "access: {tokens: [{name: t, scope: clusterpbx.example, token: {file: token}}]}\n"
    )
    (config.parent / "token").write_text("0123456789abcdef")
    (config.parent / "token").chmod(0o600)
    said = dialtone("serve", config)
    assert (said.code, said.out) == (6, "")
    assert "192.0.2.1:9876" in said.err


@pytest.mark.parametrize(
    "arguments", [["--help"], ["-h"], ["--version"], ["probe", "--help"], ["lab", "up", "-h"]]
)
def test_help_is_an_answer(dialtone: Dialtone, arguments: list[str]) -> None:
    said = dialtone(*arguments)
    assert (said.code, said.err) == (0, "")
    assert said.out


def test_a_probe_of_another_flow_is_named_with_those_that_fit(dialtone: Dialtone, config: Path) -> None:
    more = (
        '  - {name: ping, flow: options, target: "sip:h"}\n  - {name: pong, flow: options, target: "sip:h"}\n'
    )
    config.write_text(config.read_text() + more)
    said = dialtone("probe", "options", config, "--tenant", ACME, "--probe", "calls")
    assert (said.code, said.out) == (3, "")
    assert "calls has flow call; of flow options there are ping, pong" in said.err


def test_an_engine_that_can_not_do_a_probe_is_refused_and_why(dialtone: Dialtone, config: Path) -> None:
    config.write_text(config.read_text() + '  - {name: safe, flow: options, target: "sips:h"}\n')
    said = dialtone("probe", "options", config, "--tenant", ACME, "--engine", "sipp")
    assert (said.code, said.out) == (3, "")
    assert "of probe safe: engine sipp speaks UDP alone here, not TLS" in said.err
