"""What is recorded: only ports that are ports, in the words of pcap-filter(7)."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from synthetic.capture.file import CaptureError
from synthetic.capture.live import MOST_PORTS, Ports, capture_filter, record


def test_ports_and_ranges_become_a_filter_with_fragments() -> None:
    assert capture_filter([5060, (10_000, 20_000)], tagged=False) == (
        "port 5060 or portrange 10000-20000 or (ip[6:2] & 0x1fff != 0) or (ip6[6] = 44)"
    )


def test_packets_of_vlans_are_asked_for_as_well() -> None:
    plain = capture_filter([5060], tagged=False)
    assert capture_filter([5060], tagged=True) == f"({plain}) or (vlan and ({plain}))"


@pytest.mark.parametrize("ports", [[], [0], [65_536], [(20_000, 10_000)], [-1], [5060] * (MOST_PORTS + 1)])
def test_what_are_no_ports_is_refused(ports: Sequence[Ports]) -> None:
    with pytest.raises(CaptureError) as caught:
        capture_filter(ports, tagged=False)
    assert caught.value.mend


@pytest.mark.parametrize(
    ("interface", "seconds", "most", "said"),
    [
        ("lo; reboot", 1.0, 10_000, "there is no interface 'lo; reboot'"),
        ("-D", 1.0, 10_000, "there is no interface"),
        ("lo", 0.0, 10_000, "0 s of recording"),
        ("lo", 1e9, 10_000, "s of recording"),
        ("lo", float("nan"), 10_000, "nan s of recording"),
        ("lo", 1.0, 10, "10 bytes of recording"),
        ("lo", 1.0, 10**12, "bytes of recording"),
    ],
)
async def test_a_recording_out_of_bounds_is_refused_before_anything_is_written(
    tmp_path: Path, interface: str, seconds: float, most: int, said: str
) -> None:
    path = tmp_path / "file.pcap"
    with pytest.raises(CaptureError, match=said):
        await record(interface, [5060], seconds, path, max_bytes=most)
    assert not path.exists()
