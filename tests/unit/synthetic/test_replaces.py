"""The Replaces header, and the headers that a phone writes as they are given."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialtone.model import FailureCode
from synthetic.agents.headers import header, number_of, parameter_of, value_of
from synthetic.agents.replaces import Replaces
from synthetic.probes.base import FlowError


def test_it_is_written_as_it_is_read() -> None:
    text = "abc@host;to-tag=1;from-tag=2;early-only"
    assert str(Replaces.parse(text)) == text
    assert Replaces.parse("abc@host ; from-tag=2 ; to-tag=1") == Replaces("abc@host", "1", "2")


@pytest.mark.parametrize(
    "text", ["", "a", "a;to-tag=1", "a;to-tag=;from-tag=2", "a\r\nb;to-tag=1;from-tag=2", "<a>;to-tag=1"]
)
def test_what_names_no_dialog_is_none(text: str) -> None:
    with pytest.raises(ValueError, match="Call-ID"):
        Replaces.parse(text)


@given(st.text(max_size=200))
def test_any_text_is_read_or_refused_and_can_be_written(text: str) -> None:
    try:
        read = Replaces.parse(text)
    except ValueError:
        return
    header("Replaces", str(read))


def test_a_header_keeps_its_spelling_and_its_commas() -> None:
    written = header("P-Billing-ID", "none, please")
    assert (str(written), written.name) == ("P-Billing-ID: none, please", "p-billing-id")
    assert str(written.getCopy()) == str(written)


@pytest.mark.parametrize(("name", "text"), [("X", "a\r\nEvil: yes"), ("X\n", "a"), ("X", "\x00")])
def test_a_header_never_ends_its_line(name: str, text: str) -> None:
    with pytest.raises(FlowError) as failed:
        header(name, text)
    assert failed.value.code is FailureCode.MISCONFIGURED


def test_values_and_parameters_are_told_apart() -> None:
    assert value_of(" Terminated ;reason=x") == "terminated"
    assert parameter_of('refer;ID="5"', "id") == "5"
    assert parameter_of("refer", "id") == ""
    assert [number_of(text) for text in ("60", "", "-1", "1e3", "9" * 10, "\u0663")] == [60] + [None] * 5
