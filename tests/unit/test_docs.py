"""The documentation names what exists."""

import re
from pathlib import Path

import pytest
from pydantic import BaseModel

from collectors.opensips import destinations, layout, parse
from collectors.opensips.client import READ_ONLY_COMMANDS
from dialtone.cli.exits import Exit
from dialtone.config import schema

ROOT = Path(__file__).parents[2]
GUIDE = (ROOT / "docs" / "configuration.md").read_text()

ENTRIES = [
    entry
    for entry in vars(schema).values()
    if isinstance(entry, type) and issubclass(entry, schema.Entry) and entry is not schema.Entry
]


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.__name__)
def test_every_configuration_key_is_documented(entry: type[BaseModel]) -> None:
    for key in entry.model_fields:
        assert f"`{key}`" in GUIDE, f"docs/configuration.md says nothing of {key} of {entry.__name__}"


def test_the_guide_documents_no_key_that_does_not_exist() -> None:
    known = {key for entry in ENTRIES for key in entry.model_fields}
    rows = re.findall(r"^\| ((?:`[a-z_]+`(?:, )?)+) \|", GUIDE, re.MULTILINE)
    documented = {key for row in rows for key in re.findall(r"`([a-z_]+)`", row)}
    assert documented <= known, documented - known


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


def test_every_exit_code_is_documented() -> None:
    text = (ROOT / "docs" / "exit-codes.md").read_text()
    for code in Exit:
        assert f"| {code.value} | {code.name} |" in text


def test_every_decision_is_listed() -> None:
    listed = (ROOT / "docs" / "decisions" / "README.md").read_text()
    for page in (ROOT / "docs" / "decisions").glob("0*.md"):
        assert f"({page.name})" in listed
