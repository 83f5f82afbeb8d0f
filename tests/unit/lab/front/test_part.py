"""Which server the front is, and what is said when it lacks something."""

from pathlib import Path

import pytest

from lab.front import SipPart


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
    lacks = SipPart().missing()
    assert not any("OpenSIPS" in line for line in lacks)
    assert all("apt-get install kamailio" in line for line in lacks)
