"""The process that reads a capture for `reading.read_capture`: `python -m synthetic.capture.worker`.

It blocks, as tshark and pyshark do, and is a process of its own for that. See wire.py for what it says.
"""

import contextlib
import os
import resource
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from dialtone.runtime.frames import decode, encode
from synthetic.capture import wire
from synthetic.capture.file import CaptureError
from synthetic.capture.records import Read, Record, SipPacket
from synthetic.capture.sorting import Sorter
from synthetic.capture.tshark import Tshark, positions

_TICK: Final = 0.25
"""Seconds between two words of progress."""
_MOST_MEMORY: Final = 2 * 1024**3
"""Bytes that this process and each tshark may have: what puts TCP together again remembers every segment."""
_MAX_REQUEST: Final = 64 * 1024
_LENGTH: Final = 500


def main() -> None:
    """Read what the request names; exit when all is said."""
    resource.setrlimit(resource.RLIMIT_DATA, (_MOST_MEMORY, _MOST_MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a core would hold what people said
    line = sys.stdin.buffer.readline(_MAX_REQUEST)
    out = _Output(os.dup(1))
    os.dup2(2, 1)  # what a library prints must not break the conversation
    try:
        path, limits = wire.decode_request(decode(line))
        out.send({"end": wire.encode_read(read(path, limits, out))})
    except CaptureError as error:
        out.send({"error": [error.what, error.mend]})
    except BrokenPipeError:
        return  # nobody reads any more
    except Exception as error:  # noqa: BLE001 - the edge of the process: a traceback helps nobody
        out.send({"error": [f"the capture can't be read: {type(error).__name__}: {error}"[:_LENGTH], ""]})


def read(path: Path, limits: wire.Limits, out: "_Output") -> Read:
    """Read the file and send its records; return the end of it. Raises CaptureError."""
    with Tshark(path) as tshark, _progress(out, path), Sorter(path, limits) as sorter:
        for packet in tshark.packets():
            for record in sorter.records(packet):
                out.add(record)
        out.flush()
        return sorter.end(tshark.problem(packets=sorter.packets))


class _Output:
    """Sends lines, from two threads."""

    def __init__(self, sink: int) -> None:
        self._sink = sink
        self._lock = threading.Lock()
        self._batch: list[list[object]] = []
        self._bytes = 0

    def add(self, record: Record) -> None:
        """Send a record, soon."""
        self._batch.append(wire.encode_record(record))
        if isinstance(record, SipPacket):
            self._bytes += len(record.data)
        if len(self._batch) >= wire.BATCH or self._bytes >= wire.BATCH_BYTES:
            self.flush()

    def flush(self) -> None:
        """Send what waits."""
        if self._batch:
            batch, self._batch, self._bytes = self._batch, [], 0
            self.send({"records": batch})

    def send(self, frame: dict[str, object]) -> None:
        """Send a frame, whole. Raises BrokenPipeError where nobody reads."""
        line = memoryview(encode(frame))
        with self._lock:
            while line:
                line = line[os.write(self._sink, line) :]


@contextlib.contextmanager
def _progress(out: _Output, path: Path) -> Iterator[None]:
    """Say four times a second how far the file is read: the mean of all that read it, once each began."""
    over = threading.Event()
    parent, size = threading.get_native_id(), path.stat().st_size
    reached: dict[int, int] = {}

    def tell() -> None:
        while not over.wait(_TICK):
            now = positions(parent, path)
            reached.update(dict.fromkeys(reached, size) | now)
            if reached:
                with contextlib.suppress(OSError):
                    out.send({"progress": sum(reached.values()) // len(reached)})

    teller = threading.Thread(target=tell, daemon=True)
    teller.start()
    try:
        yield
    finally:
        over.set()


if __name__ == "__main__":
    main()
