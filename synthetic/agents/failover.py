"""Failover as a phone does it (RFC 3263 4.3): where a hop does not serve, the next one is tried.

A hop does not serve that can't be connected to, that is silent, or that answers 503 to the first request.
Once anything else was understood from it, what happens is the platform's doing and not tried again elsewhere.
"""

import asyncio
from collections.abc import Mapping
from typing import Final

from dialtone.model import FailureCode
from synthetic.address import hostport
from synthetic.agents.transactions import TransactionManager
from synthetic.probes.base import FlowError
from synthetic.target import Hop

PATIENCE: Final = 4.0
"""How long a hop may be silent, in seconds, while there is another: four transmissions of a request."""

_UNAVAILABLE: Final = 503


class Watch:
    """One hop during one attempt: whether it serves the phones that use it. Implements Listener for them.

    `patience` is None where there is no other hop: then it has all the time that the probe has.
    """

    def __init__(self, hop: Hop, patience: float | None) -> None:
        self.hop = hop
        self._patience = patience
        self._managers: list[TransactionManager] = []
        self._timer: asyncio.TimerHandle | None = None
        self._serves = False
        self._why = ""

    @property
    def why_not(self) -> str:
        """Why it does not serve; nothing where it does, or was not asked."""
        return "" if self._serves else self._why

    def attach(self, manager: TransactionManager) -> None:
        """Listen to a phone that uses this hop."""
        manager.listener = self
        self._managers.append(manager)

    def asked(self) -> None:
        """Begin to wait with the first request of any of its phones."""
        if self._patience is not None and self._timer is None and not self._serves:
            self._timer = asyncio.get_running_loop().call_later(self._patience, self._silent)

    def heard(self, status: int | None) -> None:
        """Take a sign of life; 503 and what only says that a request arrived (100) are none of serving."""
        if status == _UNAVAILABLE:
            self._why = self._why or "503 Service Unavailable"
        elif status != 100:
            self._serves = True
        self.close()

    def refused(self, detail: str) -> None:
        """Go on at once where nothing listens and there is another hop; else it may yet begin to."""
        if self._patience is not None and not self._serves:
            self._give_up(FlowError(FailureCode.TIMEOUT, detail))

    def failed(self, error: FlowError) -> None:
        """Note why a phone's connection is of no use."""
        self._why = self._why or error.detail
        self.close()

    def close(self) -> None:
        """Wait no longer."""
        if self._timer is not None:
            self._timer.cancel()

    def _silent(self) -> None:
        self._give_up(FlowError(FailureCode.TIMEOUT, f"no answer within {self._patience:.1f} s"))

    def _give_up(self, error: FlowError) -> None:
        for manager in self._managers:
            manager.give_up(error)


class Ways:
    """The hops of every target of a probe, and which of them is to be used now."""

    def __init__(self, hops: Mapping[str, tuple[Hop, ...]]) -> None:
        self._left = {target: list(found) for target, found in hops.items()}

    def watches(self, remaining: float) -> dict[str, Watch]:
        """Return a watch of the present hop of every target.

        Each hop has its fair share of the remaining seconds, at most PATIENCE while others are left.
        """
        return {
            target: Watch(left[0], min(PATIENCE, remaining / len(left)) if len(left) > 1 else None)
            for target, left in self._left.items()
        }

    def next(self, watches: Mapping[str, Watch]) -> list[tuple[Hop, Hop, str]]:
        """Go on to the next hop of those targets whose present one did not serve.

        Return from where, to where and why of each; nothing where there is no other, or all served.
        """
        moved = []
        for target, watch in watches.items():
            left = self._left[target]
            if watch.why_not and len(left) > 1:
                moved.append((left.pop(0), left[0], watch.why_not))
        return moved


def said(moved: tuple[Hop, Hop, str], seconds: float) -> str:
    """Return the mark of a failover, after so many seconds of the probe."""
    old, new, why = moved
    return f"failed over from {_shown(old)} to {_shown(new)} after {seconds:.1f} s: {why}"


def _shown(hop: Hop) -> str:
    return hostport(hop.address)
