"""One connection to Asterisk's manager interface (AMI), from its banner to its end."""

import asyncio
import itertools
import secrets
import ssl
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from collectors.asterisk.answers import Answer
from collectors.asterisk.manager import AmiRefusedError, Hear, check
from collectors.asterisk.recall import Recall
from collectors.asterisk.wire import MAX_BLOCK_BYTES, Splitter, begins, decode, encode
from dialtone.model import CollectError, CollectFailure
from dialtone.ports import Clock
from dialtone.runtime.deadline import within
from dialtone.runtime.tls import why_not

PING_AFTER: Final = 20.0
"""Seconds of silence after which the server is asked whether it is still there."""

_BANNER: Final = b"Asterisk Call Manager/"
_MAX_BANNER: Final = 200
_HEAD: Final = 4096
"""Bytes of a message that is too large in which it is looked up what it is."""
_CLOSE_DEADLINE: Final = 1.0
_HAIR: Final = 0.1

_numbers = itertools.count(1)


@dataclass(slots=True)
class _UnderWay:
    """An action whose answer has not come; `done` gets what was wrong with it, None for nothing."""

    name: str
    answer: Answer
    done: asyncio.Future[Exception | None]


class Connection(asyncio.Protocol):
    """Sends one action at a time and hands over what comes: answers to who asked, events to `hear`.

    `greeted` and `ended` are futures: the banner has come (None, or what is wrong), the connection is gone.
    `lost` is called for an event that is too large. `where` and `name` are for texts: the endpoint, and
    what the server's certificate must say.
    """

    def __init__(self, clock: Clock, where: str, name: str, hear: Hear, lost: Callable[[], None]) -> None:
        loop = asyncio.get_running_loop()
        self.greeted: asyncio.Future[CollectError | None] = loop.create_future()
        self.ended: asyncio.Future[None] = loop.create_future()
        self._clock, self._where, self._name = clock, where, name
        self._hear, self._lost = hear, lost
        self._transport: asyncio.Transport | None = None
        self._banner = b""
        self._splitter = Splitter()
        self._blocks: deque[bytes] = deque()
        self._holding = False
        self._under_way: _UnderWay | None = None
        self._token = secrets.token_hex(4)  # nobody who gets a line into some value can guess our ActionIDs
        self._received = clock.monotonic()
        self._ping = ""
        self._ping_deadline = 0.0
        self._call_off: Callable[[], None] | None = None
        self._given_up: CollectError | None = None

    @property
    def made(self) -> bool:
        """Whether it was ever connected: over TLS, whether the handshake was done."""
        return self._transport is not None

    async def exchange(
        self,
        action: str,
        headers: Mapping[str, str],
        deadline: float,
        *,
        ends_with: str = "",
        limit: int = MAX_BLOCK_BYTES,
        recall: Recall[Any] | None = None,
    ) -> Answer:
        """Send one action; return its answer.

        `deadline` is seconds, `limit` how many bytes a message of the answer may have. Raises
        AmiRefusedError, CollectError, and ValueError for what is never sent. The caller sees to it that no
        other action is under way, and gives the connection up after a CollectError.
        """
        check(action, headers)
        action_id = self._new_id()
        try:
            message = encode(action, action_id, headers)
        except ValueError as error:  # a user name that the configuration let through
            raise CollectError(CollectFailure.INTERNAL, str(error)) from None
        if self._transport is None or self.ended.done():
            raise self._closed(action, None)
        done: asyncio.Future[Exception | None] = asyncio.get_running_loop().create_future()
        under_way = _UnderWay(action, Answer(action, action_id, ends_with, recall), done)
        self._under_way = under_way
        self._splitter.limit = limit
        try:
            self._transport.write(message)
            wrong = await within(self._clock, deadline, lambda: done)
        except TimeoutError:
            raise CollectError(
                CollectFailure.TIMEOUT, f"no answer to {action} from {self._where} in {deadline:g} s"
            ) from None
        finally:
            self._splitter.limit = MAX_BLOCK_BYTES
            self._under_way = None
        if wrong is not None:
            raise wrong
        return under_way.answer

    def watch(self, deadline: float) -> None:
        """From now on ask a silent server whether it is there; it has `deadline` seconds to say so."""
        self._ping_deadline = deadline
        self._set_alarm(PING_AFTER, self._is_it_silent)

    async def close(self) -> None:
        """Close, and wait a second at most for its end."""
        if self._transport is not None and not self.ended.done():
            self._transport.close()
            try:
                await within(self._clock, _CLOSE_DEADLINE, lambda: asyncio.shield(self.ended))
            except TimeoutError:
                self.abort()

    def abort(self) -> None:
        """Cut the connection, whatever is under way."""
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the transport that asyncio has made."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - a stream's, as create_connection makes
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Take what has come, in pieces of any size."""
        self._received = self._clock.monotonic()
        if not self.greeted.done():
            data = self._greet(data)
        self._blocks.extend(self._splitter.feed(data))
        if not self._holding:
            self._go_on()

    def connection_lost(self, exc: Exception | None) -> None:
        """Have whoever waits know that nothing comes any more."""
        if self._call_off is not None:
            self._call_off()
        while self._blocks:
            self._take_next()
        if not self.greeted.done():
            self.greeted.set_result(self._broken_off(exc))
        if self._under_way is not None and not self._under_way.done.done():
            self._under_way.done.set_result(self._closed(self._under_way.name, exc))
        self.ended.set_result(None)

    def _greet(self, data: bytes) -> bytes:
        """Read the banner, a line of its own; return what came behind it."""
        self._banner += data
        line, ended, rest = self._banner.partition(b"\r\n")
        if not ended and len(line) < _MAX_BANNER:
            return b""
        self._banner = b""
        wrong = None
        if not ended or not line.startswith(_BANNER):
            wrong = CollectError(CollectFailure.PROTOCOL, f"{self._where} is no Asterisk manager interface")
        self.greeted.set_result(wrong)
        return rest

    def _go_on(self) -> None:
        """Take the blocks that are there. Behind a whole answer, let who waits for it run first."""
        self._holding = False
        while self._blocks:
            if self._take_next() and self._blocks:
                self._holding = True
                asyncio.get_running_loop().call_soon(self._go_on)
                return

    def _take_next(self) -> bool:
        """Take a block, or several items; True where the answer that is waited for needs no more."""
        under_way = self._under_way
        if under_way is None or under_way.done.done():
            self._take(self._blocks.popleft())
            return False
        answer = under_way.answer
        try:
            answer.take_items(self._blocks)
            if self._blocks:
                raw = self._blocks.popleft()
                if answer.has(raw) and len(raw) <= self._splitter.limit:
                    answer.take(raw)
                else:
                    self._take(raw)
        except (AmiRefusedError, CollectError) as error:
            return self._finish(under_way, error)
        return under_way.done.done() or (answer.whole and self._finish(under_way, None))

    def _take(self, raw: bytes) -> None:
        """Take a block that is of no answer that is waited for."""
        if self._ping and f"ActionID: {self._ping}".encode() in raw:
            self._ping = ""
            self._set_alarm(PING_AFTER, self._is_it_silent)
        elif len(raw) > MAX_BLOCK_BYTES:
            self._pass_over(raw)
        else:
            self._hear(decode(raw))

    def _pass_over(self, raw: bytes) -> None:
        """Have known, of a block that is too large, who does without it."""
        head, under_way = decode(raw[:_HEAD]), self._under_way
        if begins(head, "Event", "Privilege"):
            self._lost()
        elif (
            under_way is not None
            and len(raw) > self._splitter.limit
            and ("ActionID" not in head or under_way.answer.has(raw[:_HEAD]))
        ):
            limit = f"{self._splitter.limit} bytes"
            self._finish(
                under_way,
                CollectError(CollectFailure.TOO_LARGE, f"a message of {self._where} is over {limit}"),
            )

    def _finish(self, under_way: _UnderWay, wrong: Exception | None) -> bool:
        if not under_way.done.done():
            under_way.done.set_result(wrong)
        return True

    def _is_it_silent(self) -> None:
        assert self._transport is not None  # noqa: S101 - watch() comes after a login
        silent = self._clock.monotonic() - self._received
        if self._under_way is None and silent >= PING_AFTER:
            self._ping = self._new_id()
            self._transport.write(encode("Ping", self._ping, {}))
            self._set_alarm(self._ping_deadline, self._give_up)
        else:
            wait = PING_AFTER if self._under_way is not None else PING_AFTER - silent
            # A sum of floats may be a hair before its time, and a hair may be too small to be waited for.
            self._set_alarm(max(wait, _HAIR), self._is_it_silent)

    def _give_up(self) -> None:
        self._given_up = CollectError(
            CollectFailure.TIMEOUT, f"no answer to Ping from {self._where} in {self._ping_deadline:g} s"
        )
        self.abort()

    def _set_alarm(self, seconds: float, ring: Callable[[], None]) -> None:
        if self._call_off is not None:
            self._call_off()
        self._call_off = self._clock.alarm(seconds, ring)

    def _new_id(self) -> str:
        return f"dialtone-{self._token}-{next(_numbers)}"

    def _broken_off(self, exc: Exception | None) -> CollectError:
        if isinstance(exc, ssl.SSLError):
            return CollectError(CollectFailure.TLS, f"{self._where}: {why_not(exc, self._name)}")
        return CollectError(
            CollectFailure.CONNECT, f"{self._where} closed at once: too many unfinished logins, or no AMI"
        )

    def _closed(self, action: str, exc: Exception | None) -> CollectError:
        if self._given_up is not None:
            return self._given_up
        if isinstance(exc, ssl.SSLError):
            return CollectError(CollectFailure.TLS, f"{self._where}: {why_not(exc, self._name)}")
        return CollectError(CollectFailure.CONNECT, f"{self._where} closed the connection during {action}")
