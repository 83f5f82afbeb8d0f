"""Packages of another suite in a folder: whole or not there, whoever else fetches them."""

import subprocess
import threading
from collections.abc import Sequence
from pathlib import Path

import pytest

from lab.base import LabError
from lab.debian import Bundle, default_cache, ensure, unpacked
from lab.debian.__main__ import main

BUNDLE = Bundle("tool", "sid", ("tool",), "usr/bin/tool", (("usr/share/tool/en", "english"),))


def build(folder: Path, name: str, files: dict[str, str], version: str = "1%3a2.0-1") -> Path:
    """Build a Debian package with these files; return it as apt names it."""
    tree = folder / f"{name}.tree"
    for path, text in {"DEBIAN/control": control(name), **files}.items():
        (tree / path).parent.mkdir(parents=True, exist_ok=True)
        (tree / path).write_text(text)
    package = folder / f"{name}_{version}_all.deb"
    subprocess.run(
        ["dpkg-deb", "--build", "--root-owner-group", "-Znone", tree, package],
        check=True,
        capture_output=True,
    )
    return package


def control(name: str) -> str:
    return (
        f"Package: {name}\nVersion: 1:2.0-1\nArchitecture: all\nMaintainer: Nobody <nobody@example.invalid>\n"
        "Description: test\n"
    )


class Packages:
    """A downloader that has the packages already, or fails."""

    def __init__(self, *packages: Path, fails: str = "") -> None:
        self.packages, self.fails, self.asked = packages, fails, 0

    def download(self, packages: Sequence[str]) -> list[Path]:
        self.asked += 1
        if self.fails:
            raise LabError(self.fails)
        return list(self.packages)


@pytest.fixture
def tool(tmp_path: Path) -> Path:
    """Return a package with a program, a loader where old packages keep it, and what isn't needed."""
    return build(
        tmp_path,
        "tool",
        {
            "usr/bin/tool": "program",
            "lib/x86_64-linux-gnu/ld-linux-x86-64.so.2": "loader",
            "usr/share/tool/english/hello": "hello",
            "usr/share/doc/tool/README": "long",
        },
    )


def quiet(text: str) -> None:
    """Take what is said to a person."""


def test_it_is_fetched_once(tmp_path: Path, tool: Path) -> None:
    packages = Packages(tool)
    first = ensure(BUNDLE, tmp_path, quiet, packages)
    assert ensure(BUNDLE, tmp_path, quiet, packages) == first == unpacked(BUNDLE, tmp_path)
    assert packages.asked == 1


def test_the_folder_is_a_merged_file_system_with_the_links_of_the_scripts(tmp_path: Path, tool: Path) -> None:
    root = ensure(BUNDLE, tmp_path, quiet, Packages(tool)).root
    assert (root / "usr/bin/tool").read_text() == "program"
    assert (root / "usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2").read_text() == "loader"
    assert (root / "lib").is_symlink()
    assert (root / "usr/share/tool/en/hello").read_text() == "hello"
    assert not (root / "usr/share/doc/tool").exists()


def test_programs_run_by_the_folders_own_loader_and_libraries_alone(tmp_path: Path, tool: Path) -> None:
    there = ensure(BUNDLE, tmp_path, quiet, Packages(tool))
    loader, *options, program, argument = there.command("-V")
    libraries = there.root / "usr/lib/x86_64-linux-gnu"
    assert loader == str(libraries / "ld-linux-x86-64.so.2")
    assert options[0] == "--inhibit-cache"
    assert all(Path(folder).is_relative_to(there.root) for folder in options[-1].split(":"))
    assert (program, argument) == (str(there.root / "usr/bin/tool"), "-V")


def test_it_knows_the_versions_of_its_packages(tmp_path: Path, tool: Path) -> None:
    assert ensure(BUNDLE, tmp_path, quiet, Packages(tool)).versions == {"tool": "1:2.0-1"}


def test_a_download_that_fails_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(LabError, match="no network"):
        ensure(BUNDLE, tmp_path, quiet, Packages(fails="no network"))
    assert unpacked(BUNDLE, tmp_path) is None


def test_a_broken_package_is_named_and_half_an_unpack_is_not_taken_for_whole(
    tmp_path: Path, tool: Path
) -> None:
    broken = tmp_path / "broken_1_all.deb"
    broken.write_bytes(tool.read_bytes()[:300])
    with pytest.raises(LabError, match=r"broken_1_all\.deb can't be unpacked, delete it"):
        ensure(BUNDLE, tmp_path, quiet, Packages(tool, broken))
    assert unpacked(BUNDLE, tmp_path) is None


def test_what_an_interrupted_run_left_is_cleared_away(tmp_path: Path, tool: Path) -> None:
    left = tmp_path / "debian/sid/tool-x86_64.part1"
    left = left.with_name(ensure(BUNDLE, tmp_path / "other", quiet, Packages(tool)).root.name + ".part1")
    (left / "usr/bin").mkdir(parents=True)
    (left / "usr/bin/tool").write_text("half")
    root = ensure(BUNDLE, tmp_path, quiet, Packages(tool)).root
    assert (root / "usr/bin/tool").read_text() == "program"
    assert not left.exists()


@pytest.mark.parametrize(
    ("bundle", "lacks"),
    [
        (Bundle("tool", "sid", ("tool",), "usr/bin/other"), "usr/bin/other"),
        (Bundle("tool", "sid", ("tool",), "usr/bin/tool", (("usr/share/tool/fr", "french"),)), "french"),
    ],
)
def test_packages_without_what_we_need_are_an_error(
    tmp_path: Path, tool: Path, bundle: Bundle, lacks: str
) -> None:
    with pytest.raises(LabError, match=lacks):
        ensure(bundle, tmp_path, quiet, Packages(tool))
    assert unpacked(bundle, tmp_path) is None


def test_of_two_at_once_one_fetches_and_the_other_waits_for_it(tmp_path: Path, tool: Path) -> None:
    first_fetches, second_waits = threading.Event(), threading.Event()

    class Slow(Packages):
        def download(self, packages: Sequence[str]) -> list[Path]:
            first_fetches.set()
            assert second_waits.wait(10)
            return super().download(packages)

    packages = Slow(tool)
    first = threading.Thread(target=ensure, args=(BUNDLE, tmp_path, quiet, packages))
    first.start()
    assert first_fetches.wait(10)
    said: list[str] = []

    def say(text: str) -> None:
        said.append(text)
        second_waits.set()

    ensure(BUNDLE, tmp_path, say, packages)
    first.join()
    assert packages.asked == 1
    assert "waiting" in said[0]


def test_the_cache_is_where_xdg_says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert default_cache() == tmp_path / "dialtone"
    monkeypatch.setenv("XDG_CACHE_HOME", "relative/is/ignored")
    assert default_cache() == Path.home() / ".cache/dialtone"


def test_the_command_refuses_what_it_does_not_know(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["fetch", "windows"])
    assert caught.value.code == 2
    assert "there is no windows; there are asterisk" in capsys.readouterr().err


def test_the_command_says_why_it_failed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert main(["fetch", "asterisk", "--cache", str(tmp_path)]) == 1
    captured = capsys.readouterr()
    assert "dpkg is missing: this needs Debian 12 or 13" in captured.err
    assert captured.out == ""
