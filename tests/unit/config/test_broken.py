"""Broken configurations, and the exact words that each is answered with.

Each file of tests/data/config/broken/ is a configuration followed by what is said about it: the
lines after `#!` at its end, in the form `line: path: message`.
"""

import re
from pathlib import Path
from typing import Final

import pytest

from dialtone.config import ConfigError, load

BROKEN: Final = Path(__file__).parents[2] / "data" / "config" / "broken"
CASES: Final = sorted(BROKEN.glob("*.yaml"))


def expected(text: str) -> list[str]:
    return re.findall(r"^#! (.*)$", text, re.MULTILINE)


@pytest.mark.parametrize("path", CASES, ids=[path.stem for path in CASES])
def test_a_broken_configuration_is_answered_in_exactly_these_words(path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load(path, environ={"SHORT": "short", "TOKEN": "0123456789abcdef", "DB_PASSWORD": "sesame"})
    said = [
        f"{problem.line or '-'}: {problem}".replace(str(path.parent), "HERE")
        for problem in caught.value.problems
    ]
    assert said == expected(path.read_text("utf-8"))


def test_the_table_of_broken_configurations_is_long_enough_to_mean_something() -> None:
    assert len(CASES) >= 30
