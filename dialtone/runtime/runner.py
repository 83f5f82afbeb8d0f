"""The runner: what all collectors have in common around one poll."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import anyio
import structlog

from dialtone.model import CollectError, CollectFailure, Node, NodeState, Reading
from dialtone.ports import Clock, Collector, Sink
from dialtone.runtime.deadline import within

_log = structlog.get_logger(__name__)

_MAX_SPACING: Final = 20
_MAX_WAIT: Final = 300.0
_MAX_DETAIL: Final = 300


class CollectorRunner:
    """Polls one node: deadline, timing, failure, freshness, and restraint after refused credentials.

    After each poll all sinks get the node's state. Going down and coming back are one log line each.
    """

    def __init__(self, node: Node, collector: Collector, clock: Clock, sinks: Sequence[Sink]) -> None:
        self._node = node
        self._collector = collector
        self._clock = clock
        self._sinks = tuple(sinks)
        self._telling = anyio.Lock()
        self._state: NodeState | None = None
        self._read = 0.0
        self._heard = clock.monotonic()
        self._refusals = 0
        self._ask_again = clock.monotonic()
        self._internal_errors = 0

    @property
    def node(self) -> Node:
        """The node that is polled."""
        return self._node

    @property
    def state(self) -> NodeState | None:
        """The node as known now; None before the first poll has ended."""
        return self._state

    @property
    def internal_errors(self) -> int:
        """How many polls failed by a mistake of ours since the start."""
        return self._internal_errors

    async def poll(self) -> NodeState:
        """Ask the node and return its new state; call it once an interval.

        While the node refuses our credentials it is asked after 1, 2, 4 ... 20 intervals, at most
        5 minutes, so that nobody bans us; in between, the known state ages and is returned.
        """
        # Half an interval's tolerance: a schedule's tick may be a little early against the last one.
        if self._state is not None and self._clock.monotonic() < self._ask_again - self._node.interval / 2:
            await self.expire()
            return self._state
        started = self._clock.monotonic()
        reading, error = await self._ask()
        async with self._telling:
            self._state = self._conclude(reading, error, self._clock.monotonic() - started)
            await self._tell(self._state)
            return self._state

    async def expire(self) -> None:
        """Withdraw a reading that has become too old; call it now and then, whatever poll() is doing.

        A node of which no poll has ended for that long is down: a poll hangs, or none is made.
        """
        async with self._telling:
            state, now = self._state, self._clock.monotonic()
            too_old = self._node.fresh_for
            if state is not None and state.reading is not None and now - self._read > too_old:
                state = replace(state, reading=None)
            if state is not None and state.up and now - self._heard > too_old:
                detail = f"no poll has ended for {now - self._heard:.0f} s"
                state = replace(
                    state,
                    up=False,
                    since=self._clock.now(),
                    failure=CollectFailure.TIMEOUT,
                    detail=detail,
                )
                self._log_change(state)
            if state is not None and state is not self._state:
                self._state = state
                await self._tell(state)

    async def _ask(self) -> tuple[Reading | None, CollectError | None]:
        try:
            return await within(self._clock, self._node.timeout, self._collector.collect), None
        except CollectError as error:
            return None, error
        except TimeoutError:
            detail = f"no answer within {self._node.timeout:g} s"
            return None, CollectError(CollectFailure.TIMEOUT, detail)
        except Exception as error:  # noqa: BLE001 - the edge of one node's poll; logged below, and counted
            self._internal_errors += 1
            if self._state is None or self._state.failure is not CollectFailure.INTERNAL:
                _log.exception("collecting failed by a mistake of ours", node=self._node.name)
            return None, CollectError(CollectFailure.INTERNAL, f"{type(error).__name__} in our collector")

    def _conclude(self, reading: Reading | None, error: CollectError | None, duration: float) -> NodeState:
        now, last = self._clock.now(), self._state
        self._heard = self._clock.monotonic()
        self._hold_back(error, duration)
        up = error is None
        since = last.since if last is not None and last.up == up else now
        state = NodeState(self._node, up, since, polled_at=now, duration=duration)
        if error is None:
            self._read = self._heard
            state = replace(state, read_at=now, reading=_plain(reading))
        else:
            state = replace(state, failure=error.failure, detail=_one_line(error.detail)[:_MAX_DETAIL])
            if last is not None:
                fresh = self._heard - self._read <= self._node.fresh_for
                state = replace(state, read_at=last.read_at, reading=last.reading if fresh else None)
        self._log_change(state)
        return state

    def _hold_back(self, error: CollectError | None, duration: float) -> None:
        refused = error is not None and error.failure is CollectFailure.AUTH
        self._refusals = self._refusals + 1 if refused else 0
        # The exponent is bounded too: a node may refuse us for years.
        spacing = min(2 ** min(self._refusals - 1, 10), _MAX_SPACING) if refused else 1
        wait = max(self._node.interval, min(spacing * self._node.interval, _MAX_WAIT))
        self._ask_again = self._heard - duration + wait if refused else self._heard

    def _log_change(self, state: NodeState) -> None:
        node, kind = self._node.name, str(self._node.kind)
        was_up = self._state.up if self._state is not None else None
        if state.up and was_up is False:
            _log.info("node is back", node=node, kind=kind)
        elif not state.up and was_up is not False:
            _log.warning("node is down", node=node, kind=kind, failure=state.failure, detail=state.detail)

    async def _tell(self, state: NodeState) -> None:
        for sink in self._sinks:
            await sink.node_polled(state)


def _plain(reading: Reading | None) -> Reading | None:
    if reading is None:
        return None
    return replace(reading, info={_one_line(key): _one_line(text) for key, text in reading.info.items()})


def _one_line(text: str) -> str:
    """Return a server's words as one printable line: JSON can carry lone surrogates, which no page can."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())
