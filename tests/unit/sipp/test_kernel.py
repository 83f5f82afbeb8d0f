"""What /proc tells, of this machine and of made-up ones."""

import os
import socket
from pathlib import Path

import pytest

from synthetic.sipp.kernel import ReceiveBufferErrors, coarse_clock_step, holds_udp_port, receive_buffer_limit

SNMP = """Ip: Forwarding DefaultTTL
Ip: 1 64
Udp: InDatagrams NoPorts InErrors OutDatagrams RcvbufErrors SndbufErrors InCsumErrors
Udp: 12008 2 41 12010 {errors} 0 0
UdpLite: InDatagrams NoPorts InErrors OutDatagrams RcvbufErrors SndbufErrors InCsumErrors
UdpLite: 0 0 0 0 99 0 0
"""


@pytest.fixture
def proc(tmp_path: Path) -> Path:
    (tmp_path / "net").mkdir()
    (tmp_path / "net/snmp").write_text(SNMP.format(errors=41))
    (tmp_path / "net/snmp6").write_text(
        "Udp6InErrors    \t9\nUdp6RcvbufErrors \t7\nUdpLite6RcvbufErrors\t5\n"
    )
    return tmp_path


def test_the_counters_are_found_by_name_and_their_growth_is_the_loss(proc: Path) -> None:
    before = ReceiveBufferErrors.read(proc)
    assert before == ReceiveBufferErrors(41, 7)
    (proc / "net/snmp").write_text(SNMP.format(errors=50))
    assert (ReceiveBufferErrors.read(proc) - before) == ReceiveBufferErrors(9, 0)
    assert (ReceiveBufferErrors.read(proc) - before).total == 9


def test_a_machine_without_ipv6_has_lost_none_of_it(proc: Path) -> None:
    (proc / "net/snmp6").unlink()
    assert ReceiveBufferErrors.read(proc) == ReceiveBufferErrors(41, 0)


@pytest.mark.parametrize(
    "text", ["", "Udp: InErrors\nUdp: 1\n", "Udp: RcvbufErrors\n", "Udp: RcvbufErrors\nUdp: x\n"]
)
def test_a_kernel_that_does_not_tell_is_not_read_as_no_loss(proc: Path, text: str) -> None:
    (proc / "net/snmp").write_text(text)
    with pytest.raises(ValueError, match=r"counter|literal"):
        ReceiveBufferErrors.read(proc)


def test_this_machine_tells_its_counters_and_limits() -> None:
    assert ReceiveBufferErrors.read().total >= 0
    assert receive_buffer_limit() > 0
    assert 0 < coarse_clock_step() <= 0.01


def test_a_limit_that_can_not_be_read_is_taken_to_be_the_kernel_s_own(tmp_path: Path) -> None:
    assert receive_buffer_limit(tmp_path) == 212_992


@pytest.mark.parametrize(("family", "host"), [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")])
def test_a_bound_port_is_seen_as_its_owner_s_alone(family: socket.AddressFamily, host: str) -> None:
    with socket.socket(family, socket.SOCK_DGRAM) as bound:
        bound.bind((host, 0))
        port = bound.getsockname()[1]
        assert holds_udp_port(os.getpid(), port)
        assert not holds_udp_port(os.getppid(), port)
    assert not holds_udp_port(os.getpid(), port)


def test_a_process_that_is_gone_holds_nothing(tmp_path: Path) -> None:
    assert not holds_udp_port(os.getpid(), 5060, tmp_path)
