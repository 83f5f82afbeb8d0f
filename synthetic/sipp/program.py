"""The SIPp program on this machine: where it is, which version, and whether it is one that we can use."""

import contextlib
import os
import re
import shutil
import signal
from dataclasses import dataclass
from pathlib import Path
from subprocess import DEVNULL, PIPE
from typing import Final

import anyio
from anyio.abc import Process

OLDEST: Final = (3, 6, 0)
LAUNCHER: Final = "setpriv"
"""Of util-linux: starts SIPp such that it can't outlive us."""
_ENVIRONMENT: Final = {"LC_ALL": "C", "TZ": "UTC0"}
_MAX_SAID: Final = 16 * 1024
_QUOTED: Final = 80
_BANNER: Final = re.compile(r"\bSIPp v(\d{1,4})\.(\d{1,4})(?:\.(\d{1,4}))?([\w.-]{0,200})")
_INSTALL: Final = "install the Debian package sip-tester (3.6 or later)"

Version = tuple[int, int, int]


class SippMissingError(Exception):
    """There is no SIPp that can be used. `detail` says why and how to mend it."""

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail


@dataclass(frozen=True, slots=True)
class Sipp:
    """A program that can be used. `features` are those that it was built with (TLS, PCAP, SCTP ...)."""

    path: str
    version: Version
    features: frozenset[str] = frozenset()


class SippLocator:
    """Finds the program once and remembers it, until the file is another; what fails is tried again."""

    def __init__(self, path: str | None = None) -> None:
        self._path = path
        self._turn = anyio.Lock()
        self._known: tuple[tuple[str, int, int, int], Sipp] | None = None

    async def find(self) -> Sipp:
        """Return the program. Raises SippMissingError."""
        async with self._turn:
            program = _locate(self._path)
            identity = _identity(program)
            if self._known is None or self._known[0] != identity:
                self._known = None
                self._known = (identity, await find_sipp(program))
            return self._known[1]


async def find_sipp(path: str | None = None, *, within: float = 5.0) -> Sipp:
    """Return the program at a path, or the one that PATH leads to.

    It is asked for its version and has `within` seconds to say it. Raises SippMissingError.
    """
    program = _locate(path)
    if shutil.which(LAUNCHER) is None:
        raise SippMissingError(f"the program {LAUNCHER} is missing: install the Debian package util-linux")
    return _understand(program, await _version_of(program, within))


def _locate(path: str | None) -> str:
    if path is None:
        found = shutil.which("sipp")
        if found is None:
            raise SippMissingError(f"no program sipp on PATH: {_INSTALL}")
        return found
    if "/" not in path:
        found = shutil.which(path)
        if found is None:
            raise SippMissingError(f"no program {path} on PATH: {_INSTALL}")
        return found
    if not Path(path).exists():
        raise SippMissingError(f"{path} does not exist: {_INSTALL}")
    if not Path(path).is_file() or not os.access(path, os.X_OK):
        raise SippMissingError(f"{path} is not executable: {_INSTALL}")
    return str(Path(path).absolute())


def _identity(program: str) -> tuple[str, int, int, int]:
    try:
        seen = Path(program).stat()
    except OSError as error:
        raise SippMissingError(f"{program} can't be looked at: {error.strerror}") from None
    return program, seen.st_ino, seen.st_mtime_ns, seen.st_size


async def _version_of(program: str, within: float) -> str:
    """Return what `sipp -v` prints. SIPp exits with 99 after it, so the exit code says nothing."""
    try:
        with anyio.CancelScope(shield=True):  # a start given up half-way would leave an orphan
            process = await anyio.open_process(
                [program, "-v"],
                stdin=DEVNULL,
                stdout=PIPE,
                stderr=DEVNULL,
                env=_ENVIRONMENT,
                start_new_session=True,
            )
    except OSError as error:
        raise SippMissingError(f"{program} can't be started: {error.strerror or error}") from None
    try:
        with anyio.fail_after(within):
            return await _read(process)
    except TimeoutError:
        raise SippMissingError(
            f"{program} -v did not end within {within:g} s: it hangs, or is not SIPp; {_INSTALL}"
        ) from None
    finally:
        with anyio.CancelScope(shield=True):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
            await process.aclose()


async def _read(process: Process) -> str:
    said = b""
    if process.stdout is not None:
        async for chunk in process.stdout:
            said += chunk
            if len(said) >= _MAX_SAID:
                break
    return said[:_MAX_SAID].decode("utf-8", "replace")


def _understand(program: str, said: str) -> Sipp:
    banner = _BANNER.search(said)
    if banner is None:
        first = next((line.strip() for line in said.splitlines() if line.strip()), "")
        quoted = f"it says {first[:_QUOTED]!r}" if first else "it says nothing"
        raise SippMissingError(f"{program} is not SIPp: asked for its version, {quoted}; {_INSTALL}")
    major, minor, patch, features = banner.groups()
    version = (int(major), int(minor), int(patch or 0))
    if version < OLDEST:
        shown = ".".join(map(str, version))
        raise SippMissingError(f"sipp {shown} is too old; 3.6 or later is needed: {_INSTALL}")
    words = features.strip(".").split("-")
    return Sipp(program, version, frozenset(word for word in words if word.isupper()))
