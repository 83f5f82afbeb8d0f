"""Unpacked bundles in the cache folder: whole or not there, made by one process at a time."""

import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from lab.base import LabError
from lab.debian.apt import Apt
from lab.debian.bundle import Bundle
from lab.files import locked

_UNPACK_DEADLINE: Final = 120.0
_PATIENCE: Final = 1200.0
_USR_MERGED: Final = ("bin", "sbin", "lib", "lib64")
_NOT_NEEDED: Final = ("./usr/share/doc", "./usr/share/man", "./usr/share/locale", "./usr/share/info")


class Downloader(Protocol):
    """Where packages come from; apt, or a test's own."""

    def download(self, packages: Sequence[str]) -> list[Path]:
        """Return the .deb files of these packages and of all they need. Raises LabError."""


@dataclass(frozen=True, slots=True)
class Unpacked:
    """A bundle in a folder of its own, laid out like a root file system."""

    bundle: Bundle
    root: Path

    def command(self, *arguments: str) -> list[str]:
        """Return the argument list that runs the bundle's program with the bundle's own libraries.

        The loader is named explicitly (ld.so(8)): the one in the program's header is the system's,
        and older than the libc here. Its cache names system libraries, so it is left out.
        """
        loader = self._one("usr/lib*/**/ld-linux*.so.*")
        folders = [folder for folder in (loader.parent, self.root / "usr/lib") if folder.is_dir()]
        # Debian keeps programs' private libraries in a folder called like the program.
        private = loader.parent / Path(self.bundle.program).name
        path = ":".join(map(str, [*folders, private]))
        program = str(self.root / self.bundle.program)
        return [str(loader), "--inhibit-cache", "--library-path", path, program, *arguments]

    @property
    def versions(self) -> dict[str, str]:
        """The packages in it, name -> version."""
        lines = (self.root / "packages.txt").read_text().splitlines()
        pairs = (line.split("_") for line in lines)
        return {name: version.replace("%3a", ":") for name, version, _ in pairs}

    def _one(self, pattern: str) -> Path:
        # usr/lib64 of amd64 is a link to the real one; the multiarch folder sorts first.
        for path in sorted(self.root.glob(pattern)):
            return path.resolve()
        raise LabError(f"{self.root} has no {pattern}: delete that folder, it will be made again")


def unpacked(bundle: Bundle, cache: Path) -> Unpacked | None:
    """Return the bundle as it lies in the cache, None where it isn't there."""
    root = _root(bundle, cache)
    return Unpacked(bundle, root) if (root / bundle.program).exists() else None


def ensure(
    bundle: Bundle, cache: Path, say: Callable[[str], None], downloader: Downloader | None = None
) -> Unpacked:
    """Return the bundle from the cache, fetched and unpacked first if need be.

    A folder gets its final name when everything is in it, so an interrupted run leaves nothing that
    could be taken for whole; a second process waits for the first and finds its work done. Downloaded
    packages stay in the cache. Raises LabError; `say` is given lines for a person.
    """
    if ready := unpacked(bundle, cache):
        return ready
    home = cache.absolute() / "debian" / bundle.suite
    home.mkdir(parents=True, exist_ok=True)
    with _alone(home / "lock", say):
        if ready := unpacked(bundle, cache):
            return ready
        started = time.monotonic()
        packages = (downloader or Apt(home, bundle.suite, say)).download(bundle.packages)
        root = _root(bundle, cache)
        for leftover in root.parent.glob(f"{root.name}.part*"):
            shutil.rmtree(leftover)
        part = root.with_name(f"{root.name}.part{os.getpid()}")
        say(f"unpacking into {root}")
        _unpack(bundle, packages, part)
        part.rename(root)
        say(f"{bundle.name} of Debian {bundle.suite} is ready after {time.monotonic() - started:.0f} s")
    return Unpacked(bundle, root)


def _root(bundle: Bundle, cache: Path) -> Path:
    # The machine's architecture, because a home folder may be shared between machines.
    return cache.absolute() / "debian" / bundle.suite / f"{bundle.name}-{os.uname().machine}"


def _unpack(bundle: Bundle, packages: Sequence[Path], root: Path) -> None:
    # Debian's merged /usr first: packages that still ship /lib/... then land in usr/lib.
    for name in _USR_MERGED:
        (root / "usr" / name).mkdir(parents=True)
        (root / name).symlink_to(f"usr/{name}")
    for package in packages:
        _extract(package, root)
    for link, target in bundle.links:
        path = root / link
        path.unlink(missing_ok=True)
        path.symlink_to(target)
        if not path.exists():
            raise LabError(f"{bundle.name}: the packages have no {path.parent / target}")
    if not (root / bundle.program).exists():
        raise LabError(f"{bundle.name}: the packages have no {bundle.program}")
    (root / "packages.txt").write_text("".join(f"{package.stem}\n" for package in packages))


def _extract(package: Path, root: Path) -> None:
    """Unpack one package's files; its maintainer scripts are never run."""
    skip = [f"--exclude={folder}" for folder in _NOT_NEEDED]
    tar = ["tar", "-x", "-C", str(root), "--keep-directory-symlink", "--no-same-owner", *skip]
    with subprocess.Popen(
        ["dpkg-deb", "--fsys-tarfile", str(package)], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as reader:
        try:
            done = subprocess.run(
                tar, stdin=reader.stdout, capture_output=True, timeout=_UNPACK_DEADLINE, check=False
            )
        except subprocess.TimeoutExpired:
            reader.kill()
            raise LabError(f"unpacking {package.name} took longer than {_UNPACK_DEADLINE:.0f} s") from None
        _, complaint = reader.communicate()
    if done.returncode or reader.returncode:
        text = (complaint + done.stderr).decode(errors="replace").strip()
        raise LabError(f"{package} can't be unpacked, delete it to have it fetched again: {text[-300:]}")


@contextmanager
def _alone(path: Path, say: Callable[[str], None]) -> Iterator[None]:
    """Keep other processes out, waiting for one that is in."""
    with ExitStack() as held:
        try:
            held.enter_context(locked(path, busy="fetching", patience=0.0))
        except LabError:
            say("another process is fetching the same packages: waiting for it")
            held.enter_context(locked(path, busy="another process never ends fetching", patience=_PATIENCE))
        yield
