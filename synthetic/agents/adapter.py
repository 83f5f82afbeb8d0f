"""What of sippy is replaced to run on asyncio: its event dispatcher and its table of sockets."""

import asyncio
from collections.abc import Callable
from typing import Any, Final

import structlog

_log = structlog.get_logger(__name__)

TimerCallback = Callable[..., object]

FOREVER: Final = -1
"""sippy's number of ticks for a timer that repeats until it is cancelled."""


class Timer:
    """One timer, as sippy's `Timeout()` makes and cancels it. `interval` is in seconds.

    `owner` is the id of the object whose method is called: for sippy's own, the transaction manager.
    """

    def __init__(
        self,
        dispatcher: "LoopDispatcher",
        callback: TimerCallback,
        interval: float,
        ticks: int,
        arguments: tuple[object, ...],
    ) -> None:
        self.owner = id(getattr(callback, "__self__", None))
        self._dispatcher = dispatcher
        self._callback = callback
        self._interval = max(0.0, interval)
        self._ticks = ticks
        self._arguments = arguments
        self._handle: asyncio.TimerHandle | None = None

    def go(self) -> None:
        """Start it on the running loop."""
        self._handle = asyncio.get_running_loop().call_later(self._interval, self._fire)
        self._dispatcher.started(self)

    def cancel(self) -> None:
        """Never call back again; cancelling twice, or after the last tick, does nothing."""
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None
            self._dispatcher.ended(self)

    def _fire(self) -> None:
        if self._ticks != FOREVER:
            self._ticks -= 1
        if self._ticks == 0:
            self._handle = None
            self._dispatcher.ended(self)
        else:
            self._handle = asyncio.get_running_loop().call_later(self._interval, self._fire)
        try:
            self._callback(*self._arguments)
        except Exception:  # noqa: BLE001 - the edge between sippy and the loop: no probe may end the others
            self._dispatcher.failures += 1
            _log.exception("a SIP timer failed", failures=self._dispatcher.failures)


class LoopDispatcher:
    """Stands in for sippy's ED2. It remembers live timers by owner, so that a probe leaves none behind."""

    def __init__(self) -> None:
        self.failures = 0
        self._live: dict[int, set[Timer]] = {}

    def regTimer(  # noqa: N802 - sippy's name
        self,
        callback: TimerCallback,
        interval: float,
        ticks: int = 1,
        absolute: bool = False,
        *arguments: object,
    ) -> Timer:
        """Return a timer that has not been started. Absolute deadlines are not offered: nothing uses them."""
        if absolute or ticks == 0:
            raise ValueError("only relative timers with at least one tick")
        return Timer(self, callback, interval, ticks, arguments)

    def started(self, timer: Timer) -> None:
        """Remember a running timer."""
        self._live.setdefault(timer.owner, set()).add(timer)

    def ended(self, timer: Timer) -> None:
        """Forget a timer that will not fire again."""
        timers = self._live.get(timer.owner)
        if timers is not None:
            timers.discard(timer)
            if not timers:
                del self._live[timer.owner]

    def cancel_timers_of(self, owner: object) -> int:
        """Cancel every timer that would call a method of this object; return how many there were."""
        timers = list(self._live.get(id(owner), ()))
        for timer in timers:
            timer.cancel()
        return len(timers)

    @property
    def live(self) -> int:
        """How many timers are running."""
        return sum(map(len, self._live.values()))


class OneSocket:
    """Stands in for sippy's local4remote, the table of sockets by remote address: here a phone has one.

    sippy's own binds every port twice, looks host names up while the loop waits, and leaks a socket.
    """

    def __init__(
        self, config: dict[str, Any], deliver: Callable[..., object], server: Callable[..., Any], options: Any
    ) -> None:
        self.ploss_out_rate = 0.0
        self.pdelay_out_max = 0.0
        self.server = server(config, options((config["_sip_address"], config["_sip_port"]), deliver))

    def getServer(self, address: object, is_local: bool = False) -> Any:  # noqa: N802 - sippy's name
        """Return the socket, whatever the address."""
        return self.server

    def rotateCache(self) -> None:  # noqa: N802 - sippy's name
        """Nothing is cached."""

    def shutdown(self) -> None:
        """Close the socket."""
        self.server.shutdown()
