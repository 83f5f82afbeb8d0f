"""Reading the files a configuration is made of: bounded, never waiting, private where they must be."""

import os
import shlex
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from dialtone.model import Secret

MAX_SECRET: Final = 4096


class FileError(Exception):
    """A file can't be used; the text says why and how to mend it, without the file's name."""


@dataclass(frozen=True, slots=True)
class SecretRef:
    """Where a secret is to be had: a file (relative to the configuration) or an environment variable."""

    kind: Literal["file", "env"]
    name: str


def read_text(path: Path, limit: int, *, private: bool = False) -> str:
    """Return a file's text, at most `limit` bytes of UTF-8.

    `private` asks that nobody but its owner may read it (group included: one rule that needs no
    explaining). Raises FileError.
    """
    data = _read(path, limit, private=private)
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise FileError(f"is not UTF-8 text (line {line}); save it as UTF-8") from None


def read_bytes(path: Path, limit: int) -> bytes:
    """Return a file's bytes, at most `limit`. Raises FileError."""
    return _read(path, limit, private=False)


def read_secret(ref: SecretRef, folder: Path, environ: Mapping[str, str]) -> Secret:
    """Return what the reference points at. Raises FileError; the text never holds the secret."""
    if ref.kind == "env":
        if ref.name not in environ:
            raise FileError(f"the environment has no variable {ref.name}; set it before starting")
        text, origin = environ[ref.name], f"the environment variable {ref.name}"
    else:
        path = folder / ref.name
        origin = f"the file {path}"
        try:
            text = read_text(path, MAX_SECRET, private=True)
        except FileError as error:
            raise FileError(f"{origin} {error}") from None
        text = text.removesuffix("\n").removesuffix("\r")
    if not text:
        raise FileError(f"{origin} is empty")
    if not text.isprintable():
        # A line break in a password could end an AMI header and begin another.
        raise FileError(f"{origin} must hold one line of printable text")
    return Secret(text)


def _read(path: Path, limit: int, *, private: bool) -> bytes:
    try:
        # O_NONBLOCK: opening a pipe that nobody writes to must not hang.
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        raise FileError("does not exist") from None
    except PermissionError:
        raise FileError(
            f"may not be read by this user (uid {os.geteuid()}); change its owner or mode"
        ) from None
    except OSError as error:
        raise FileError(f"can't be opened: {error.strerror}") from None
    try:
        # The open file is judged, not the name: what is judged is what is read.
        _check_mode(path, os.fstat(handle).st_mode, private=private)
        with os.fdopen(handle, "rb", closefd=False) as file:
            data = file.read(limit + 1)
    except OSError as error:
        raise FileError(f"can't be read: {error.strerror}") from None
    finally:
        os.close(handle)
    if len(data) > limit:
        raise FileError(f"is larger than {limit:,} bytes")
    return data


def _check_mode(path: Path, mode: int, *, private: bool) -> None:
    if stat.S_ISDIR(mode):
        raise FileError("is a folder, not a file")
    if not stat.S_ISREG(mode):
        raise FileError("is not a regular file")
    if private and mode & (stat.S_IRWXG | stat.S_IRWXO):
        mend = f"chmod 600 {shlex.quote(str(path))}"
        raise FileError(f"is open to other users (mode {stat.S_IMODE(mode):04o}); run: {mend}")
