"""The peer: panoramisk's protocol on the same bytes. Run by a Python that has panoramisk and nothing of ours.

    PYTHON benchmarks/asterisk/peer.py FILE TIMES

FILE holds a stream of events, which is fed to panoramisk's protocol TIMES times, a socket's reading at a
time. It prints panoramisk's version, how many events a callback was handed, and the CPU seconds, as JSON.
"""

import json
import sys
import time
from importlib import import_module, metadata
from pathlib import Path

PIECE = 65_536


def main(file: str, times: str) -> None:
    """Feed it and print."""
    text = Path(file).read_bytes()
    pieces = [text[start : start + PIECE] for start in range(0, len(text), PIECE)]
    heard = 0

    def hear(manager: object, event: object) -> None:
        nonlocal heard
        heard += 1

    manager = import_module("panoramisk.manager").Manager()
    manager.register_event("*", hear)
    protocol = import_module("panoramisk.ami_protocol").AMIProtocol()
    protocol.connection_made(None)
    protocol.factory, protocol.encoding = manager, "utf8"
    protocol.data_received(b"Asterisk Call Manager/11.0.0\r\n")
    before = time.process_time()
    for _ in range(int(times)):
        for piece in pieces:
            protocol.data_received(piece)
    spent = time.process_time() - before
    print(json.dumps({"version": metadata.version("panoramisk"), "events": heard, "cpu": spent}))  # noqa: T201


if __name__ == "__main__":
    main(*sys.argv[1:])
