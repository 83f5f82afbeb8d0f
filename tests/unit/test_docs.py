"""The documentation names what exists."""

import re
from pathlib import Path

import pytest
from pydantic import BaseModel

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


def test_every_exit_code_is_documented() -> None:
    text = (ROOT / "docs" / "exit-codes.md").read_text()
    for code in Exit:
        assert f"| {code.value} | {code.name} |" in text


def test_every_decision_is_listed() -> None:
    listed = (ROOT / "docs" / "decisions" / "README.md").read_text()
    for page in (ROOT / "docs" / "decisions").glob("0*.md"):
        assert f"({page.name})" in listed
