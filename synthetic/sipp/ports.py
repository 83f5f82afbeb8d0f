"""Local UDP ports for SIPp, which must bind them itself."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager

from dialtone.model import FailureCode
from synthetic.probes.base import FlowError


class Ports:
    """Local UDP ports, each for one run at a time; two probes of ours never have the same.

    SIPp must bind a port itself, so that somebody else may be faster: then the run fails with no-port.
    """

    def __init__(self) -> None:
        self._taken: set[int] = set()

    @contextmanager
    def free(self, host: str) -> Iterator[int]:
        """Lend a port that is free on that address. Raises FlowError with no-port."""
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        try:
            port = next(port for port in self._candidates(family, host) if port not in self._taken)
        except (OSError, StopIteration) as error:
            raise FlowError(FailureCode.NO_PORT, f"no SIP port on {host}: {error}") from None
        self._taken.add(port)
        try:
            yield port
        finally:
            self._taken.discard(port)

    def _candidates(self, family: int, host: str) -> Iterator[int]:
        for _ in range(20):
            with socket.socket(family, socket.SOCK_DGRAM) as trial:
                trial.bind((host, 0))
                port: int = trial.getsockname()[1]
            yield port
