"""Presence documents: written as read, and nothing hostile gets further than an error of their own."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synthetic.presence_documents import (
    MAX_DEPTH,
    MAX_ELEMENTS,
    MAX_SIZE,
    DocumentError,
    own_tuple,
    pidf,
    read_dialog_info,
    read_pidf,
)

PIDF_SPACE = "urn:ietf:params:xml:ns:pidf"
DIALOG_SPACE = "urn:ietf:params:xml:ns:dialog-info"


def a_pidf(*states: str, space: str = PIDF_SPACE) -> bytes:
    tuples = "".join(
        f'<tuple id="t{n}"><status><basic>{s}</basic></status></tuple>' for n, s in enumerate(states)
    )
    return f'<presence xmlns="{space}" entity="pres:a@b">{tuples}</presence>'.encode()


def dialogs(*states: str) -> bytes:
    inside = "".join(f'<dialog id="{n}"><state event="x">{s}</state></dialog>' for n, s in enumerate(states))
    return (
        f'<d:dialog-info xmlns:d="{DIALOG_SPACE}">{inside}</d:dialog-info>'.replace("<dialog ", "<d:dialog ")
        .replace("</dialog>", "</d:dialog>")
        .replace("<state", "<d:state")
        .replace("</state>", "</d:state>")
        .encode()
    )


@given(st.text(max_size=200), st.sampled_from(["open", "closed"]))
def test_what_is_written_is_read_back_whatever_the_entity(entity: str, state: str) -> None:
    entity = "".join(c for c in entity if c.isprintable())
    assert read_pidf(pidf(entity, state).encode("utf-8", "replace")) == state


def test_only_open_and_closed_are_written() -> None:
    with pytest.raises(ValueError, match="no presence state"):
        pidf("sip:a@b", "<busy/>")


@pytest.mark.parametrize(
    ("states", "read"), [(["closed"], "closed"), (["closed", "open"], "open"), ([" open\n"], "open")]
)
def test_one_open_tuple_is_enough(states: list[str], read: str) -> None:
    assert read_pidf(a_pidf(*states)) == read


@pytest.mark.parametrize(("ours", "other"), [("open", "closed"), ("closed", "open")])
def test_the_own_tuple_counts_alone_and_without_it_all_do(ours: str, other: str) -> None:
    own = own_tuple("f00d")
    document = pidf("sip:a@b", ours, own).replace(
        "</presence>", f'<tuple id="t1"><status><basic>{other}</basic></status></tuple></presence>'
    )
    assert read_pidf(document.encode(), own) == ours
    assert read_pidf(document.encode(), own_tuple("beef")) == read_pidf(document.encode()) == "open"


def test_an_own_tuple_that_says_nothing_and_the_tuples_without_id_leave_it_to_all() -> None:
    nameless = a_pidf("closed").replace(b' id="t0"', b"")
    assert read_pidf(nameless) == read_pidf(nameless, "x") == "closed"
    silent = a_pidf("closed", "open").replace(b"<basic>closed", b"<basic>busy")
    assert read_pidf(silent, "t0") == "open"


@pytest.mark.parametrize(
    ("states", "read"),
    [
        ([], "terminated"),
        (["terminated"], "terminated"),
        (["terminated", "confirmed", "early"], "confirmed"),
        (["trying", "proceeding"], "proceeding"),
        (["early", "trying"], "early"),
    ],
)
def test_the_furthest_dialog_counts(states: list[str], read: str) -> None:
    assert read_dialog_info(dialogs(*states)) == read


@pytest.mark.parametrize(
    "document",
    [
        b"",
        b"<",
        b"\x00\xff",
        a_pidf(),
        a_pidf("busy"),
        a_pidf("open", space="urn:another"),
        a_pidf("open", space=DIALOG_SPACE),
        b"<presence><tuple><status><basic>open</basic></status></tuple></presence>",
        b'<?xml version="1.0" encoding="idna"?><presence/>',
        b'<!DOCTYPE p [<!ENTITY e "open">]>' + a_pidf("&e;"),
        b'<!DOCTYPE presence SYSTEM "file:///etc/passwd">' + a_pidf("open"),
        a_pidf("open") + b"trailing",
        a_pidf("open")[:-5],
        b" " * MAX_SIZE + a_pidf("open"),
        a_pidf(*["open"] * MAX_ELEMENTS),
        f'<presence xmlns="{PIDF_SPACE}">{"<a>" * MAX_DEPTH}{"</a>" * MAX_DEPTH}</presence>'.encode(),
        a_pidf("open" * 100),
    ],
)
def test_what_is_no_pidf_says_so(document: bytes) -> None:
    with pytest.raises(DocumentError):
        read_pidf(document)


def test_a_basic_status_elsewhere_or_of_another_namespace_is_none() -> None:
    extension = b'<x:basic xmlns:x="urn:x">open</x:basic>'
    with pytest.raises(DocumentError, match="no tuple"):
        read_pidf(a_pidf().replace(b"></presence>", b">" + extension + b"</presence>"))
    assert read_pidf(a_pidf("closed").replace(b"</status>", extension + b"</status>")) == "closed"


def test_an_unknown_dialog_state_says_so() -> None:
    with pytest.raises(DocumentError, match="unknown state 'parked'"):
        read_dialog_info(dialogs("parked"))


def test_other_encodings_than_utf8_are_taken() -> None:
    noted = a_pidf("open").replace(b"</presence>", b"<note>d\xe9j\xe0</note></presence>")
    assert read_pidf(noted) == "open"


@given(st.binary(max_size=400))
def test_any_bytes_are_read_or_refused(document: bytes) -> None:
    for read in (read_pidf, read_dialog_info):
        try:
            read(document)
        except DocumentError:
            continue


@given(st.data())
def test_any_damage_is_read_or_refused(data: st.DataObject) -> None:
    document = bytearray(data.draw(st.sampled_from([a_pidf("open"), dialogs("early", "confirmed")])))
    for _ in range(data.draw(st.integers(1, 6))):
        at = data.draw(st.integers(0, len(document) - 1))
        document[at : at + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=8))
        document = document or bytearray(b"<")
    for read in (read_pidf, read_dialog_info):
        try:
            assert read(bytes(document)) in {"open", "closed", "early", "confirmed", "terminated"}
        except DocumentError:
            continue
