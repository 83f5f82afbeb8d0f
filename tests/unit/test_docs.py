"""The documentation names what exists."""

import re
from pathlib import Path

import pytest
from pydantic import BaseModel

from collectors.asterisk import METRICS as ASTERISK_METRICS
from collectors.asterisk import events, manager, queues, tracker
from collectors.asterisk.causes import CAUSES, cause_word
from collectors.mysql.metrics import METRICS as MYSQL_METRICS
from collectors.mysql.statements import FIXED, HEARTBEATS
from collectors.mysql.topology.metrics import METRICS as TOPOLOGY_METRICS
from collectors.opensips import destinations, layout, parse
from collectors.opensips.client import READ_ONLY_COMMANDS
from dialtone.cli.exits import Exit
from dialtone.config import contracts, schema
from dialtone.export.metrics import media_metric
from dialtone.model import MEDIA_FIGURES, FailureCode, TopologyKind, Trouble

ROOT = Path(__file__).parents[2]
GUIDE = (ROOT / "docs" / "configuration.md").read_text()

ENTRIES = [
    entry
    for module in (schema, contracts)
    for entry in vars(module).values()
    if isinstance(entry, type) and issubclass(entry, schema.Entry) and entry is not schema.Entry
]


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.__name__)
def test_every_configuration_key_is_documented(entry: type[BaseModel]) -> None:
    for key in schema.keys(entry):
        assert f"`{key}`" in GUIDE, f"docs/configuration.md says nothing of {key} of {entry.__name__}"


def test_the_guide_documents_no_key_that_does_not_exist() -> None:
    known = {key for entry in ENTRIES for key in schema.keys(entry)}
    rows = re.findall(r"^\| ((?:`[a-z_]+`(?:, )?)+) \|", GUIDE, re.MULTILINE)
    documented = {key for row in rows for key in re.findall(r"`([a-z_]+)`", row)}
    assert documented <= known, documented - known


def test_the_guide_says_what_each_failure_of_media_is_and_names_their_histograms() -> None:
    told = GUIDE.partition("**Media.**")[2].partition("**Ours.**")[0]
    rows = re.findall(r"^\| `([a-z-]+)` \|", told, re.MULTILINE)
    codes = {code for code in FailureCode if "media" in code or "dtmf" in code}
    assert len(rows) == len(set(rows))
    assert set(rows) == codes
    assert set(re.findall(r"`(dialtone_probe_\w+)`", told)) == {media_metric(name) for name in MEDIA_FIGURES}


def test_the_guide_names_the_commands_that_opensips_is_sent_and_no_others() -> None:
    told = GUIDE.partition("sends these commands\nand no others:")[2].partition(
        "What the server has no module for"
    )[0]
    named = set(re.findall(r"`([a-z_:]+)`", told))
    assert named - {"discover", "events"} == READ_ONLY_COMMANDS


def test_the_guide_says_how_much_of_one_opensips_is_read() -> None:
    guide = " ".join((ROOT / "docs" / "opensips.md").read_text().split())
    assert f"Of one server {parse.MOST:,} statistics are read" in guide
    assert f"may have {destinations.MOST:,} of them" in guide
    assert f"of all lists {destinations.MOST_IN_ALL:,} are shown" in guide
    assert f"and {destinations.MOST_RESOURCES} resources of each" in guide
    assert f"of statistics without a metric of their own {layout.MOST_OTHERS:,}" in guide


def asterisk() -> str:
    return (ROOT / "docs" / "asterisk.md").read_text()


def test_the_guide_names_every_metric_of_asterisk_with_its_labels_and_no_other() -> None:
    rows = re.findall(r"^\| `(asterisk_[a-z_]+)`(?: \((.*?)\))? \|", asterisk(), re.MULTILINE)
    told = {name: set(re.findall("[a-z]+", labels)) for name, labels in rows}
    common = {"node", "tenant", "reseller"}
    assert told == {metric.name: set(metric.labels) - common for metric in ASTERISK_METRICS}
    named = set(re.findall(r"\basterisk_[a-z_]+", asterisk()))
    assert named <= told.keys() | {"asterisk_tenant_"}


def test_the_guides_eventfilter_lets_pass_what_is_counted_and_no_other_event() -> None:
    (listed,) = re.findall(r"^eventfilter = \^Event: \(([A-Za-z|]+)\)", asterisk(), re.MULTILINE)
    assert set(listed.split("|")) == events.EVENTS


def test_the_guide_names_the_actions_that_asterisk_is_sent() -> None:
    how = asterisk().partition("## How it reads")[2].partition("## When something is wrong")[0]
    words = set(re.findall(r"\b[A-Z][A-Za-z]+\b", how))
    assert manager.ACTIONS - {"Command"} <= words
    assert manager.TASK_PROCESSORS in asterisk()


def test_the_guide_says_what_each_cause_of_asterisk_is_called() -> None:
    rows = re.findall(r"^\| `([a-z-]+)` \| ([0-9, ]+) \|", asterisk(), re.MULTILINE)
    assert [word for word, _ in rows] == [word for word in CAUSES if word != "other"]
    told = {number: word for word, numbers in rows for number in numbers.split(", ")}
    assert {str(n): word for n in range(128) if (word := cause_word(str(n))) != "other"} == told


def test_the_guide_says_how_much_of_one_asterisk_is_read() -> None:
    assert f"{queues.MAX_QUEUES:,} queues of a node" in asterisk()
    assert f"Past {tracker.MAX_CHANNELS:,} channels" in asterisk()


def mysql() -> str:
    return (ROOT / "docs" / "mysql.md").read_text()


def test_the_guide_names_every_metric_of_mysql_with_its_labels_and_no_other() -> None:
    rows = re.findall(r"^\| `(mysql_[a-z_]+)`(?: \((.*?)\))? \|", mysql(), re.MULTILINE)
    told = {name: set(re.findall("[a-z]+", labels)) for name, labels in rows}
    of_topology = {"topology", "tenant", "reseller"}
    assert told == {
        **{metric.name: set(metric.labels) - {"node"} for metric in MYSQL_METRICS},
        **{metric.name: set(metric.labels) - of_topology for metric in TOPOLOGY_METRICS},
    }
    assert len(rows) == len(told)
    named = set(re.findall(r"\bmysql_[a-z_]+", mysql()))
    assert named <= told.keys() | {"mysql_topology_"}


def test_the_guide_says_of_every_trouble_of_databases_what_it_is_and_what_to_do() -> None:
    wrong = mysql().partition("## What can be wrong")[2].partition("## True lag")[0]
    rows = re.findall(r"^\| `([a-z-]+)` \|(.*)\|$", wrong, re.MULTILINE)
    assert sorted(word for word, _ in rows) == sorted(Trouble)
    for word, rest in rows:
        cells = [cell.strip() for cell in rest.split("|")]
        assert len(cells) == 4, word
        assert all(cells), word


def test_the_guide_names_every_kind_of_topology() -> None:
    configuration = mysql().partition("## Configuration")[2].partition("## How it judges")[0]
    kinds = re.findall(r"^\| `([a-z-]+)` \|", configuration, re.MULTILINE)
    assert set(kinds) == set(TopologyKind) - {TopologyKind.STANDALONE}


def test_the_guide_names_the_statements_that_mysql_is_sent_and_no_others() -> None:
    asked = mysql().partition("## What it asks")[2].partition("## What is published")[0]
    shown = set(re.findall(r"`(SHOW [A-Z ]+)`", asked))
    assert shown == {statement.partition(" WHERE ")[0] for statement in FIXED if statement.startswith("SHOW")}
    tables = {
        table for statement in FIXED for table in re.findall(r"performance_schema\.([a-z_]+)", statement)
    }
    assert set(re.findall(r"`([a-z_]+)`", asked)) == tables
    assert f"at most {HEARTBEATS} rows" in asked


def test_every_exit_code_is_documented() -> None:
    text = (ROOT / "docs" / "exit-codes.md").read_text()
    for code in Exit:
        assert f"| {code.value} | {code.name} |" in text


def test_every_decision_is_listed() -> None:
    listed = (ROOT / "docs" / "decisions" / "README.md").read_text()
    for page in (ROOT / "docs" / "decisions").glob("0*.md"):
        assert f"({page.name})" in listed
