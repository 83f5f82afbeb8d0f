"""What the store is told of alerts and messages, and what it still has to be told.

The store is the truth. A store that can't take it, because its disk is full, hangs or is locked, keeps
nobody from being told: what it should know is held here meanwhile and offered again.
"""

from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final, TypeVar

import anyio
import structlog

from dialtone.model import AlertEvent, AlertMessage, MessageState, OutboxEntry, Scope
from dialtone.ports import Clock, Store, StoreError
from dialtone.runtime.deadline import within

_log = structlog.get_logger(__name__)

T = TypeVar("T")

KEEP_AGAIN: Final = 10.0
"""Seconds until a store that failed is asked again."""

KEEP_DEADLINE: Final = 10.0
"""Seconds that the store has for one transaction."""

REMEMBERED: Final = 1000
"""How many settled messages that the store never had are held for it, so that it can count them."""


@dataclass(frozen=True, slots=True)
class Earlier:
    """What the store holds of earlier runs.

    `waiting` are the messages that were not settled, in order; `totals` are counts by receiver and
    outcome, as Store.message_totals returns them.
    """

    alerts: list[AlertEvent]
    waiting: list[AlertMessage]
    totals: Mapping[tuple[str, str], int]


@dataclass(slots=True)
class _Fate:
    """What has become of a message and the store does not know: failed tries, then perhaps an end."""

    tries: int = 0
    detail: str = ""
    state: MessageState | None = None
    at: datetime | None = None


class Outbox:
    """The one writer of alerts and messages. Everything is noted at once and written by the task `run`.

    A message goes to `hand_over` when the store has it, in the same transaction as the change that it
    tells of, or as soon as the store has failed to take it; always in the order of `record`. While the
    store fails it is asked every KEEP_AGAIN, and nobody waits for it; while it works and nothing
    happens it is not asked at all. `take_up` gets what earlier runs left, once, when it could be read.
    """

    def __init__(
        self,
        store: Store,
        clock: Clock,
        *,
        hand_over: Callable[[AlertMessage], None],
        take_up: Callable[[Earlier], None],
    ) -> None:
        self._store = store
        self._clock = clock
        self._hand_over = hand_over
        self._take_up = take_up
        self._unread = False
        self._events: dict[str, AlertEvent] = {}
        self._unkept: dict[str, AlertMessage] = {}
        self._held_back: dict[str, AlertMessage] = {}
        self._fates: dict[str, _Fate] = {}
        self._failing = False
        self._answers = True
        self._forgotten = 0
        self._work = anyio.Event()
        self._progress = anyio.Event()
        self.errors = 0

    async def restore(self) -> None:
        """Read what earlier runs left. A store that can't be read now is read later, by `run`."""
        self._unread = True
        await self._attempt(self._read)

    def record(self, events: Iterable[AlertEvent], messages: Iterable[AlertMessage]) -> None:
        """Have changes kept together with the messages about them, which are then handed over."""
        self._events |= {event.fingerprint: event for event in events}
        new = {message.key: message for message in messages}
        self._unkept |= new
        self._held_back |= new
        if self._failing:
            self._release(list(new))
        self._work.set()

    def tried(self, message: AlertMessage, detail: str) -> None:
        """Have it noted that a message was not taken and goes on waiting."""
        fate = self._fates.setdefault(message.key, _Fate())
        fate.tries += 1
        fate.detail = detail
        self._work.set()

    def settle(self, message: AlertMessage, state: MessageState, detail: str = "") -> None:
        """Have a message settled; see `written`."""
        fate = self._fates.setdefault(message.key, _Fate())
        fate.state, fate.at = state, self._clock.now()
        fate.detail = detail or fate.detail
        self._work.set()

    async def written(self, message: AlertMessage) -> None:
        """Wait until the store knows what has become of a message; not while it fails."""
        while message.key in self._fates and self._answers:
            await self._progress.wait()

    async def run(self) -> None:
        """Write until cancelled."""
        while True:
            self._work = anyio.Event()
            await self._attempt(self._work_off)
            if self._failing:
                await self._clock.sleep(KEEP_AGAIN)
            else:
                await self._work.wait()

    def tell_what_is_lost(self) -> None:
        """Log what ends with this process, because the store has not got it."""
        fates = self._fates
        alone = Counter(m.receiver for m in self._unkept.values() if not _settled(fates.get(m.key)))
        if alone or self._events:
            _log.warning("alert.undelivered_at_stop", messages=dict(alone), changes=len(self._events))

    async def _attempt(self, work: Callable[[], Awaitable[None]]) -> None:
        try:
            await work()
        except (StoreError, TimeoutError) as error:
            self._failed(str(error))
        except Exception as error:  # noqa: BLE001 - the edge of the task: a bug of the store must not end alerting
            self._failed(f"the store broke ({type(error).__name__})")

    async def _work_off(self) -> None:
        """Write until nothing is left. What would be lost with us comes first, whenever it comes."""
        while self._unread or self._events or self._unkept or self._fates:
            if self._unread:
                await self._read()
            elif self._events or self._unkept:
                await self._keep()
            else:
                await self._tell(*next(iter(self._fates.items())))
        if self._failing:
            _log.info("alert.store_recovered", messages_never_kept=self._forgotten)
        self._failing = False
        self._forgotten = 0

    async def _read(self) -> None:
        earlier = Earlier(
            alerts=await self._within(lambda: self._store.alerts(Scope.everything())),
            waiting=[entry.message for entry in await self._within(self._waiting)],
            totals=await self._within(self._store.message_totals),
        )
        self._unread = False
        self._take_up(earlier)

    async def _keep(self) -> None:
        # What was settled while the store failed goes first, each put and settled before the next one is: a
        # crash in between sends no more than one of them again, and none after a later one.
        for key in [key for key in self._unkept if _settled(self._fates.get(key))]:
            await self._keep_settled(key)
        events, messages = dict(self._events), dict(self._unkept)
        told, kept = tuple(messages.values()), tuple(events.values())
        await self._within(lambda: self._store.put_alerts(kept, told))
        for fingerprint, event in events.items():
            # A newer state may have come in meanwhile.
            if self._events[fingerprint] is event:
                del self._events[fingerprint]
        for key in messages:
            del self._unkept[key]
        self._answers = True
        self._release(list(messages))

    async def _keep_settled(self, key: str) -> None:
        message = self._unkept[key]
        await self._within(lambda: self._store.put_alerts((), (message,)))
        del self._unkept[key]
        self._answers = True
        while (fate := self._fates.get(key)) is not None:
            await self._tell(key, fate)

    async def _tell(self, key: str, fate: _Fate) -> None:
        if fate.tries:
            await self._within(lambda: self._store.note_try(key, fate.detail))
            fate.tries -= 1
        elif fate.state is not None and fate.at is not None:
            state, at = fate.state, fate.at
            await self._within(lambda: self._store.settle_message(key, state, at, fate.detail))
            fate.state = None
        if not fate.tries and fate.state is None:
            del self._fates[key]
            self._progressed()

    async def _waiting(self) -> list[OutboxEntry]:
        return await self._store.outbox(MessageState.WAITING)

    async def _within(self, work: Callable[[], Awaitable[T]]) -> T:
        return await within(self._clock, KEEP_DEADLINE, work)

    def _release(self, keys: Iterable[str]) -> None:
        """Hand over those of these messages that were not handed over yet."""
        for key in keys:
            message = self._held_back.pop(key, None)
            if message is not None:
                self._hand_over(message)

    def _forget(self) -> None:
        """Bound what a long outage piles up: messages that are settled and that the store never had."""
        over = [key for key in self._unkept if _settled(self._fates.get(key))][:-REMEMBERED]
        for key in over:
            del self._unkept[key], self._fates[key]
        self._forgotten += len(over)

    def _failed(self, why: str) -> None:
        self.errors += 1
        if not self._failing:
            _log.error("alert.store_failing", why=why)
        self._failing = True
        self._answers = False
        self._release(list(self._held_back))
        self._forget()
        self._progressed()

    def _progressed(self) -> None:
        self._progress.set()
        self._progress = anyio.Event()


def _settled(fate: _Fate | None) -> bool:
    return fate is not None and fate.state is not None
