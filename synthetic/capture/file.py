"""A capture file before it is read: is it there, may we, is it a capture at all.

Only pcap and pcapng, plain or gzipped: tshark opens much more, pictures and logs among it.
"""

import gzip
import os
import stat
import zlib
from pathlib import Path
from typing import Final

_MAGICS: Final = tuple(
    bytes.fromhex(text)
    for text in ("a1b2c3d4", "d4c3b2a1", "a1b23c4d", "4d3cb2a1", "a1b2cd34", "34cdb2a1", "0a0d0d0a")
)
"""Of pcap with micro- and nanoseconds in both orders of bytes, of its old Linux variant, and of pcapng."""
_GZIP: Final = b"\x1f\x8b"
LAUNCHER: Final = ("setpriv", "--pdeathsig", "KILL")
"""Of util-linux: the kernel kills the child when we are gone, even by kill -9."""
_FORMATS: Final = (
    "a capture is a pcap or pcapng file, as tcpdump, dumpcap and Wireshark write it, plain or gzipped"
)


class CaptureError(Exception):
    """A capture can't be read or made: `what` is wrong, and how to `mend` it, "" where nobody knows."""

    def __init__(self, what: str, mend: str = "") -> None:
        super().__init__(f"{what}: {mend}" if mend else what)
        self.what = what
        self.mend = mend


def checked(path: Path) -> int:
    """Return the size of the file in bytes. Raises CaptureError. It blocks: call it in a thread."""
    try:
        # A fifo without a writer would block here for ever, and reading a device may do anything.
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise _refused(path, error) from None
    status = os.fstat(handle)
    if not stat.S_ISREG(status.st_mode):
        os.close(handle)
        if stat.S_ISDIR(status.st_mode):
            raise CaptureError(f"{path} is a directory", "name a file in it")
        raise CaptureError(f"{path} is no regular file", "save what comes from it into a file first")
    if not status.st_size:
        os.close(handle)
        raise CaptureError(f"{path} is empty", "nothing was captured, or it was not written to its end")
    with os.fdopen(handle, "rb") as file:
        try:
            head = file.read(4)
            if head.startswith(_GZIP):
                file.seek(0)
                with gzip.open(file) as unpacked:
                    head = unpacked.read(4)
        except (EOFError, gzip.BadGzipFile, zlib.error):
            raise CaptureError(
                f"{path} is a damaged gzip file", "unpack it with gunzip to see how far it goes"
            ) from None
        except OSError as error:
            raise _refused(path, error) from None
    if not head:
        raise CaptureError(f"{path} is gzipped and empty", "nothing was captured")
    if head not in _MAGICS:
        raise CaptureError(f"{path} is no capture file", _FORMATS)
    return status.st_size


def _refused(path: Path, error: OSError) -> CaptureError:
    mend = {
        FileNotFoundError: "is the name right, and the directory that it is relative to?",
        PermissionError: "run this as a user who may read it, or have it given to you (chmod, chown)",
    }.get(type(error), "")
    return CaptureError(f"{path} can't be read: {error.strerror or error}", mend)
