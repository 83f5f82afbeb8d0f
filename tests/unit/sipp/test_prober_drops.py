"""What a socket of ours lost, as the kernel tells it."""

import socket
from pathlib import Path

import pytest

from synthetic.sipp.drops import dropped

HEADER = "sl local rem st tx_queue:rx_queue tr:tm->when retrnsmt uid timeout inode ref pointer drops"
REST = "00000000:0000 07 00000000:00000000 00:00000000 00000000 0 0 77 2 0000000000000000"
ROWS = (
    f"100: 0100007F:9C40 {REST} 3",
    f"101: 0100007F:9C41 {REST} 70",
    f"102: 00000000:9C40 {REST} 4",
    "103: 0100007F:9C40 cut",
)
"""Port 40000 twice, another, and a line that is none."""


def test_the_sockets_of_the_port_are_counted_and_no_others(tmp_path: Path) -> None:
    (tmp_path / "udp").write_text("\n".join([HEADER, *ROWS]))
    assert dropped(40000, tmp_path) == 7
    assert dropped(5060, tmp_path) == 0


def test_a_kernel_that_does_not_tell_has_lost_nothing_that_is_known(tmp_path: Path) -> None:
    assert dropped(40000, tmp_path) == 0


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_the_kernel_counts_what_a_full_buffer_loses(host: str) -> None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as deaf, socket.socket(family, socket.SOCK_DGRAM) as loud:
        try:
            deaf.bind((host, 0))
        except OSError:
            pytest.skip("this machine has no IPv6")
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        port = deaf.getsockname()[1]
        assert dropped(port) == 0
        for _ in range(200):
            loud.sendto(b"x" * 1000, (host, port))
        assert dropped(port) > 100
