"""Which server the front is, and what is said when it lacks something."""

from dataclasses import replace
from pathlib import Path

import pytest

from lab.front import SecondSipPart, SipPart
from lab.front.sockets import Side, Sockets


@pytest.fixture
def opensips(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Put an OpenSIPS on PATH that consists of its program alone; return its prefix."""
    program = tmp_path / "sbin/opensips"
    program.parent.mkdir()
    program.touch(mode=0o755)
    monkeypatch.setenv("PATH", str(program.parent))
    return tmp_path


def test_an_opensips_on_path_is_preferred_and_its_modules_are_asked_for(opensips: Path) -> None:
    assert SipPart().missing() == [f"OpenSIPS's modules: no folder lib*/opensips/modules under {opensips}"]


def test_modules_that_are_packages_of_their_own_are_named(opensips: Path) -> None:
    modules = opensips / "lib/opensips/modules"
    modules.mkdir(parents=True)
    for name in ("tm", "db_text", "auth"):
        (modules / f"{name}.so").touch()
    (opensips / "share/opensips/dbtext/opensips").mkdir(parents=True)
    assert SipPart().missing() == [
        "OpenSIPS's mi_http.so: install opensips-http-modules",
        "OpenSIPS's presence_xml.so: install opensips-presence-modules",
    ]


def test_without_opensips_it_is_kamailio(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    *lacks, openssl = SipPart().missing()
    assert not any("OpenSIPS" in line for line in lacks)
    assert all("apt-get install kamailio" in line for line in lacks)
    assert openssl == "openssl: apt-get install openssl"  # on that PATH there is nothing at all


def test_a_second_front_has_names_and_ports_of_its_own() -> None:
    first, second = SipPart(), SecondSipPart()
    assert (first.name, second.name) == ("sip", "sip-b")
    where = Sockets(5060, 5061, 5062, peer=5070, ipv6=True)
    found = [where.addresses(side, tls=True) for side in (Side(), Side("b"))]
    assert found[0].keys() == {"sip", "sip6", "sip-tls", "sip6-tls", "trunk"}
    assert found[1].keys() == {f"{name}-b" for name in found[0]}


def test_without_ipv6_or_tls_nothing_listens_there_and_the_trunk_has_one_way_only() -> None:
    where = Sockets(5060, 5061, 5062, peer=None, ipv6=False)
    assert where.listening(tls=False) == ["udp:127.0.0.1:5060", "tcp:127.0.0.1:5060", "udp:127.0.0.1:5062"]
    assert where.addresses(Side(), tls=False) == {"sip": "127.0.0.1:5060", "trunk": "127.0.0.1:5062"}
    everywhere = replace(where, ipv6=True).listening(tls=True)
    assert everywhere[0] == "udp:127.0.0.1:5060"
    assert "tls:[::1]:5061" in everywhere
