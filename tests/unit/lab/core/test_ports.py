"""Ports of several labs at once."""

import json
import socket
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from lab.base import LabError
from lab.ports import LOOPBACK, LoopbackPorts, is_free


@pytest.fixture
def claims(tmp_path: Path) -> Path:
    """Name the table that all labs of the test share."""
    return tmp_path / "ports.json"


def test_the_same_name_gets_the_same_port_also_later(tmp_path: Path, claims: Path) -> None:
    port = LoopbackPorts(tmp_path / "a", claims).take("sip")
    assert LoopbackPorts(tmp_path / "a", claims).take("sip") == port
    assert LoopbackPorts(tmp_path / "a", claims).take("mi") != port


def test_labs_that_choose_at_the_same_time_never_share_a_port(tmp_path: Path, claims: Path) -> None:
    few = range(31_000, 31_100)
    labs = [LoopbackPorts(tmp_path / f"lab{n}", claims, few) for n in range(5)]
    with ThreadPoolExecutor() as threads:
        ports = list(threads.map(lambda n: labs[n % 5].take(f"p{n // 5}"), range(40)))
    assert len(set(ports)) == 40


@pytest.mark.parametrize("kind", [socket.SOCK_STREAM, socket.SOCK_DGRAM])
def test_a_port_that_a_program_has_is_not_handed_out(
    tmp_path: Path, claims: Path, kind: socket.SocketKind
) -> None:
    with socket.socket(socket.AF_INET, kind) as other:
        other.bind((LOOPBACK, 0))
        port = other.getsockname()[1]
        assert not is_free(port)
        with pytest.raises(LabError, match="no free port"):
            LoopbackPorts(tmp_path / "a", claims, range(port, port + 1)).take("sip")
    assert LoopbackPorts(tmp_path / "a", claims, range(port, port + 1)).take("sip") == port


def test_ports_given_back_can_be_had_by_another_lab(tmp_path: Path, claims: Path) -> None:
    one, two = (LoopbackPorts(tmp_path / name, claims, range(31_200, 31_201)) for name in "ab")
    port = one.take("sip")
    with pytest.raises(LabError, match="for sip: end other labs"):
        two.take("sip")
    one.give_back()
    one.give_back()
    assert two.take("sip") == port


def test_a_lab_deleted_by_hand_blocks_nothing(tmp_path: Path, claims: Path) -> None:
    one, two = (LoopbackPorts(tmp_path / name, claims, range(31_300, 31_301)) for name in "ab")
    port = one.take("sip")
    (tmp_path / "a/ports.json").unlink()
    assert two.take("sip") == port
    assert json.loads(claims.read_text()) == {str(port): str(tmp_path / "b")}
