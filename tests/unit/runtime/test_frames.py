"""Lines between two processes: cut anywhere, bounded, objects only."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dialtone.runtime.frames import MAX_LINE, FrameError, LineBuffer, decode, encode


@settings(deadline=None)
@given(st.lists(st.binary(max_size=30).map(lambda line: line.replace(b"\n", b""))), st.data())
def test_lines_come_out_whole_wherever_the_stream_is_cut(lines: list[bytes], data: st.DataObject) -> None:
    stream = b"".join(line + b"\n" for line in lines)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)))))
    buffer, found = LineBuffer(), list[bytes]()
    for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        found += buffer.feed(stream[start:end])
    assert found == lines


@pytest.mark.parametrize("stream", [b"123456", b"123456\n", b"1\n123456"])
def test_a_line_over_the_limit_is_an_error_even_before_its_end(stream: bytes) -> None:
    with pytest.raises(FrameError, match="over 5 bytes"):
        list(LineBuffer(limit=5).feed(stream))


def test_a_line_at_the_limit_is_taken() -> None:
    assert list(LineBuffer(limit=5).feed(b"12345\n12345\n")) == [b"12345", b"12345"]


@settings(deadline=None)
@given(st.dictionaries(st.text(), st.text() | st.integers() | st.none()))
def test_a_frame_survives_the_journey_as_one_line(frame: dict[str, object]) -> None:
    line = encode(frame)
    assert line.count(b"\n") == 1
    assert decode(line) == frame


@pytest.mark.parametrize(
    "frame", [{"a": float("nan")}, {"a": float("inf")}, {"a": object()}, {"a": "x" * MAX_LINE}]
)
def test_what_cannot_travel_is_refused(frame: dict[str, object]) -> None:
    with pytest.raises(FrameError):
        encode(frame)


@pytest.mark.parametrize("line", [b"", b"[]", b"1", b"{", b"\xff", b"[" * 100_000])
def test_what_is_no_object_is_refused(line: bytes) -> None:
    with pytest.raises(FrameError):
        decode(line)
