"""Parameters of MI commands, checked as OpenSIPS checks them."""

from typing import Final

import pytest

from lab.front.envelope import BadEnvelope, MiError, Request, arguments, parse, text, texts

SIZE: Final = (("profile",), ("profile", "value"))


@pytest.mark.parametrize(
    ("params", "found"),
    [
        (["tenant"], {"profile": "tenant"}),
        (["tenant", "a.example"], {"profile": "tenant", "value": "a.example"}),
        ({"value": "a.example", "profile": "tenant"}, {"profile": "tenant", "value": "a.example"}),
    ],
)
def test_parameters_come_by_place_or_by_name(params: list[object] | dict[str, object], found: object) -> None:
    assert arguments(Request(1, "profile_get_size", params, True), SIZE) == found


@pytest.mark.parametrize(
    ("params", "data"),
    [
        ([], "Too few or too many parameters"),
        (["a", "b", "c"], "Too few or too many parameters"),
        ({"profil": "tenant"}, "Named parameters do not match"),
    ],
)
def test_wrong_parameters_are_told(params: list[object] | dict[str, object], data: str) -> None:
    with pytest.raises(MiError) as caught:
        arguments(Request(1, "profile_get_size", params, True), SIZE)
    assert (caught.value.code, caught.value.data) == (-32602, data)


@pytest.mark.parametrize("value", ["dialog:", 5, None, ["a", 1]])
def test_a_list_of_names_must_be_one(value: object) -> None:
    with pytest.raises(MiError) as caught:
        texts({"statistics": value}, "statistics")
    assert caught.value.data == "Bad type for parameter 'statistics'"


def test_a_text_may_be_a_number_but_no_object() -> None:
    assert text({"value": 5}, "value") == "5"
    with pytest.raises(MiError):
        text({"value": {}}, "value")


@pytest.mark.parametrize("body", [b"\xff\xfe", b"[" * 1000, b"", b"nul"])
def test_bytes_that_are_no_json_are_a_parse_error(body: bytes) -> None:
    with pytest.raises(BadEnvelope) as caught:
        parse(body)
    assert caught.value.error.code == -32700
    assert caught.value.id is None
