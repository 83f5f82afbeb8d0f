"""Configurations that can't be used: each its own words, the documented code, and nothing on stdout."""

import json
from pathlib import Path
from typing import Final

import pytest

from tests.unit.cli.conftest import Dialtone

COMMANDS: Final = {
    "check": (["check", "CONFIG"], 2),
    "serve": (["serve", "CONFIG"], 3),
    "collect": (["collect", "CONFIG"], 3),
    "collect as JSON": (["collect", "CONFIG", "--format", "json"], 3),
    "collect for Prometheus": (["collect", "CONFIG", "--format", "prometheus"], 3),
    "probe": (["probe", "call", "CONFIG", "--tenant", "acme.ntek.clusterpbx.example"], 3),
    "probe as JSON": (
        ["probe", "call", "CONFIG", "--tenant", "acme.ntek.clusterpbx.example", "--format", "json"],
        3,
    ),
}
BREAKS: Final = {
    "a key misspelt": ("location:", "locaton:", "1: locaton: is not a known key; did you mean 'location'?"),
    "a key misspelt in a node": (
        "kind: opensips,",
        "kind: opensips, intervall: 5s,",
        "did you mean 'interval'?",
    ),
    "YAML that ends too early": ("probes:\n", "probes: [\n", "dialtone.yaml:1"),
    "a tab as indent": ("tenants:\n", "tenants:\n\t", "tab"),
    "a tenant twice": (
        "  - {domain: bolt.",
        "  - {domain: ACME.ntek.clusterpbx.example.}\n  - {domain: bolt.",
        "acme.ntek.clusterpbx.example is a tenant already, in line 6",
    ),
    "an orphan": (
        "{domain: bolt.ntek.",
        "{domain: bolt.ucom.",
        "the reseller of bolt.ucom.clusterpbx.example is not configured",
    ),
    "a secret's file missing": ("{file: ami}", "{file: amy}", "amy does not exist"),
    "a secret's variable missing": (
        "{env: DB_PASSWORD}",
        "{env: DB_PASWORD}",
        "the environment has no variable DB_PASWORD; set it before starting",
    ),
    "a password in the file": (
        "{env: DB_PASSWORD}",
        "sesame-db-5521",
        "a secret is not written into the configuration",
    ),
    "a password in a URL": ("mysql://u@", "mysql://u:sesame-db-5521@", "holds a password; take it out"),
    "accounts missing": ("accounts.csv", "acounts.csv", "acounts.csv does not exist"),
    "a key of another flow": ("flow: call,", "flow: call, event: dialog,", "flow call does not know it"),
    "listening for everybody": ("127.0.0.1:0", "0.0.0.0:0", "there are no `access:` tokens"),
}


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("what", BREAKS)
def test_a_broken_configuration_is_refused_with_file_place_and_remedy(
    dialtone: Dialtone, config: Path, command: str, what: str
) -> None:
    old, new, words = BREAKS[what]
    text = config.read_text()
    assert old in text
    config.write_text(text.replace(old, new, 1))
    arguments, code = COMMANDS[command]
    said = dialtone(*(config if part == "CONFIG" else part for part in arguments))
    assert (said.code, said.out) == (code, "")
    assert f"{config}:" in said.err
    assert words in said.err
    assert not (config.parent / "data").exists(), "nothing may be made before the configuration is right"


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda path: None, "does not exist"),
        (lambda path: path.mkdir(), "is a folder, not a file"),
        (lambda path: path.write_bytes(b"location: \xff\n"), "is not UTF-8 text (line 1); save it as UTF-8"),
        (lambda path: path.write_text(""), "is empty; begin with"),
        (lambda path: path.write_text("#" * (1 << 20) + "\n"), "is larger than"),
    ],
    ids=["missing", "folder", "latin-1", "empty", "huge"],
)
def test_a_file_that_is_no_configuration_is_refused_in_its_own_words(
    dialtone: Dialtone, tmp_path: Path, command: str, make: object, words: str
) -> None:
    path = tmp_path / "other.yaml"
    assert callable(make)
    make(path)
    arguments, code = COMMANDS[command]
    said = dialtone(*(path if part == "CONFIG" else part for part in arguments))
    assert (said.code, said.out) == (code, "")
    assert str(path) in said.err
    assert words in said.err


def test_check_counts_the_problems_and_lists_them_in_the_order_of_the_file(
    dialtone: Dialtone, config: Path
) -> None:
    text = config.read_text().replace("location:", "locaton:").replace("{file: ami}", "{file: amy}")
    config.write_text(text)
    said = dialtone("check", config)
    *problems, summary = said.err.splitlines()
    assert said.code == 2
    assert summary == f"{config}: {len(problems)} problems"
    lines = [int(problem.removeprefix(f"{config}:").partition(":")[0]) for problem in problems[1:]]
    assert lines == sorted(lines)


def test_check_calls_a_missing_file_one_problem(dialtone: Dialtone, tmp_path: Path) -> None:
    said = dialtone("check", tmp_path / "none.yaml")
    assert said.code == 2
    assert said.err == f"{tmp_path}/none.yaml: does not exist\n{tmp_path}/none.yaml: 1 problem\n"


def test_check_says_what_is_good_and_whom_a_probe_leaves_out(dialtone: Dialtone, config: Path) -> None:
    said = dialtone("check", config)
    assert (said.code, said.err) == (0, "")
    assert "bolt.ntek.clusterpbx.example (1)" in said.out
    assert said.out.endswith("good. Tenants: 4, nodes: 3, probes: 1 over 1 tenant flows.\n")


def test_collect_of_servers_that_are_not_there_is_whole_json_a_line_each_and_4(
    dialtone: Dialtone, config: Path
) -> None:
    said = dialtone("collect", config, "--format", "json")
    assert said.code == 4
    states = json.loads(said.out)
    assert {state["node"]: state["failure"] for state in states} == dict.fromkeys(
        ("sip1", "pbx1", "db1"), "connect"
    )
    assert [line.partition(":")[0] for line in said.err.splitlines()] == ["sip1", "pbx1", "db1"]


def test_collect_for_prometheus_shows_a_server_that_is_not_there_as_down(
    dialtone: Dialtone, config: Path
) -> None:
    said = dialtone("collect", config, "--node", "db1", "--format", "prometheus")
    assert said.code == 4
    assert 'dialtone_up{kind="mysql",node="db1"} 0.0' in said.out
    assert "sip1" not in said.out


def test_the_table_shows_a_server_that_is_not_there_with_the_reason(dialtone: Dialtone, config: Path) -> None:
    said = dialtone("collect", config, "--node", "sip1")
    assert said.code == 4
    assert said.out.startswith("sip1  opensips  DOWN (connect: ")
