"""SIPp's own figures, read and put beside the packets."""

import pytest

from benchmarks.probes.packets import SipPacket, Wire
from benchmarks.probes.peer import Heard, read_times

HEADER = "Date_ms;response_time_ms;rtd_no"


def test_response_times_come_by_number_in_seconds() -> None:
    lines = [HEADER, "56.001;4;1", "60.001;0.25;2", "108.001;8;1"]
    assert read_times(lines) == {"1": [0.004, 0.008], "2": [0.00025]}


def test_a_file_with_no_call_has_no_times() -> None:
    assert read_times([HEADER]) == {}


@pytest.mark.parametrize("lines", [["a;b", "1;2"], [HEADER, "56.001;soon;1"]])
def test_another_file_is_not_understood(lines: list[str]) -> None:
    with pytest.raises((KeyError, ValueError)):
        read_times(lines)


def test_the_peer_is_compared_with_the_packets_of_its_own_port() -> None:
    wire = Wire(
        [
            SipPacket(0, 6001, 5060, "ours", "BYE", None),
            SipPacket(0, 7001, 5060, "another's", "BYE", None),
            SipPacket(1_000_000, 5060, 7001, "another's", "BYE", 200),
            SipPacket(3_000_000, 5060, 6001, "ours", "BYE", 200),
        ],
        5060,
    )
    heard = Heard({"calls": 6001, "registers": 6002}, {"calls": {"2": [0.004]}, "registers": {}})
    assert heard.pairs("sdd", wire) == [(0.004, 0.003)]
    assert heard.pairs("rrd", wire) == []
