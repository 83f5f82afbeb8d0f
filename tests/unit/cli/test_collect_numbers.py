"""How `dialtone collect` writes a value."""

import pytest

from dialtone.cli.collect import _number


@pytest.mark.parametrize(
    ("value", "shown"),
    [(268435456.0, "268435456"), (6, "6"), (0.0, "0"), (0.0125, "0.0125"), (float("nan"), "nan")],
)
def test_a_whole_number_is_written_whole_however_great(value: float, shown: str) -> None:
    assert _number(value) == shown
