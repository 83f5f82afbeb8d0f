"""Result sets off the wire: what is well formed is read, and nothing else gets past a length check."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.mysqlclient.resultset import column_count, column_name, divides, ends, row
from dialtone.model import CollectError, CollectFailure
from tests.fakes.mysql import column

COLUMN = column("Slave_IO_Running")


def test_a_column_has_its_name_and_not_its_original_one() -> None:
    assert column_name(COLUMN) == "Slave_IO_Running"


def test_a_row_has_texts_and_null_is_not_the_empty_text() -> None:
    assert row(b"\x02no\xfb\x00", ["a", "b", "c"]) == {"a": "no", "b": None, "c": ""}


@pytest.mark.parametrize("length", [0, 1, 0xFA, 0xFB, 0xFFFF])
def test_texts_of_any_length_are_read(length: int) -> None:
    before = bytes([length]) if length < 0xFB else b"\xfc" + length.to_bytes(2, "little")
    assert row(before + b"x" * length, ["a"]) == {"a": "x" * length}
    assert row(b"\xfd" + length.to_bytes(3, "little") + b"x" * length, ["a"]) == {"a": "x" * length}


@pytest.mark.parametrize(
    "packet",
    [
        b"",
        b"\x01",
        b"\x05four",
        b"\xfc\x01",
        b"\xfd\xff\xff",
        # 2^64 - 1: as a signed length this is -1, which reads before the packet
        b"\xfb\xfe" + b"\xff" * 8,
        b"\xff",
        b"\x01ax",
    ],
)
def test_a_row_whose_lengths_lie_is_refused(packet: bytes) -> None:
    with pytest.raises(CollectError) as raised:
        row(packet, ["a", "b"] if packet[:1] == b"\xfb" else ["a"])
    assert raised.value.failure is CollectFailure.PROTOCOL


@pytest.mark.parametrize(
    "packet", [b"", b"\x00", b"\x00" * 7, b"\xfb/etc/passwd", b"\x02x", b"\xfc\xff\xff", b"\xfe"]
)
def test_a_reply_that_is_no_result_set_is_refused(packet: bytes) -> None:
    with pytest.raises(CollectError):
        column_count(packet)


def test_the_end_is_told_from_a_row_with_and_without_eof() -> None:
    eof, ok = b"\xfe\x00\x00\x02\x00", b"\xfe\x00\x00\x02\x00\x00\x00"
    assert divides(eof)
    assert not divides(ok)
    assert ends(eof)
    assert ends(ok)
    assert not ends(b"\x03Yes")
    assert not ends(b"")


@given(st.binary(max_size=64), st.integers(0, 5))
def test_any_bytes_are_read_or_refused(packet: bytes, columns: int) -> None:
    for read in (column_count, column_name, lambda p: row(p, [str(number) for number in range(columns)])):
        with contextlib.suppress(CollectError):  # and nothing else
            read(packet)


@given(st.data())
def test_a_damaged_column_is_read_or_refused(data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(COLUMN) - 1))
    damaged = COLUMN[:at] + data.draw(st.binary(max_size=4)) + COLUMN[at + 1 :]
    with contextlib.suppress(CollectError):
        assert len(column_name(damaged)) <= len(damaged)
