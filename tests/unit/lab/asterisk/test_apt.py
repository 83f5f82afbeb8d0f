"""The private apt on archives of our own making: files, never the network."""

import hashlib
from pathlib import Path
from textwrap import dedent

import pytest

from lab.base import LabError
from lab.debian.apt import Apt, archives
from tests.unit.lab.asterisk.test_debian import build, control

DEB822 = dedent("""\
    Types: deb
    URIs: http://mirror.example/debian
    Suites: bookworm bookworm-updates
    Components: main

    Types: deb
    URIs: http://mirror.example/debian-security
    Suites: bookworm-security
    Components: main

    Types: deb
    URIs: http://third.example/php
    Suites: bookworm
    Components: main
""")
ONE_LINE = """\
# deb http://commented.example/debian bookworm main
deb http://third.example/php bookworm main
deb cdrom:[Debian]/ bookworm main
deb [arch=amd64] http://mirror.example/debian/ bookworm main contrib
deb http://mirror.example/debian/ bookworm-updates main
deb http://mirror.example/debian-security bookworm-security main
deb-src http://source.example/debian bookworm main
"""


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the apt folder of a machine whose sources the test writes."""
    etc = tmp_path / "etc"
    (etc / "sources.list.d").mkdir(parents=True)
    settings = tmp_path / "apt.conf"
    settings.write_text(
        f'Dir::Etc "{etc}";\nDir::State::lists "{tmp_path}/lists";\nDir::Cache "{tmp_path}/cache";\n'
        'APT::Architecture "amd64";\n'
    )
    monkeypatch.setenv("APT_CONFIG", str(settings))
    return etc


@pytest.mark.parametrize(
    ("name", "text"), [("sources.list.d/debian.sources", DEB822), ("sources.list", ONE_LINE)]
)
def test_the_machines_own_archive_comes_first_in_either_format(machine: Path, name: str, text: str) -> None:
    (machine / name).write_text(text)
    found = archives()
    assert [uri.rstrip("/") for uri in found] == ["http://mirror.example/debian", "http://third.example/php"]


def test_a_machine_without_sources_says_so(machine: Path, tmp_path: Path) -> None:
    with pytest.raises(LabError, match="name no Debian archive"):
        Apt(tmp_path / "home", "sid", lambda _: None).download(["tool"])


def test_an_archive_without_debians_signature_is_refused(machine: Path, tmp_path: Path) -> None:
    archive = tmp_path / "archive"
    lists = archive / "dists/sid/main/binary-amd64"
    lists.mkdir(parents=True)
    package = build(tmp_path, "tool", {"usr/bin/tool": "evil"})
    raw = package.read_bytes()
    (lists / "Packages").write_text(
        f"{control('tool')}Filename: {package.name}\nSize: {len(raw)}\n"
        f"SHA256: {hashlib.sha256(raw).hexdigest()}\n"
    )
    index = (lists / "Packages").read_bytes()
    (archive / "dists/sid/Release").write_text(
        "Suite: sid\nComponents: main\nArchitectures: amd64\nSHA256:\n"
        f" {hashlib.sha256(index).hexdigest()} {len(index)} main/binary-amd64/Packages\n"
    )
    (machine / "sources.list").write_text(f"deb [trusted=yes] file://{archive} bookworm main\n")
    with pytest.raises(LabError, match="not signed"):
        Apt(tmp_path / "home", "sid", lambda _: None).download(["tool"])
    assert not list((tmp_path / "home").glob("archives/*.deb"))
