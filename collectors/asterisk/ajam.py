"""Asterisk's manager over HTTP (AJAM): a session by cookie, and events that come when they are fetched.

Measured on Asterisk 16.28 and 22.10. Errors come with status 200. A session ends httptimeout of manager.conf
(60 s) after its last request; who asks in one that has ended is told `Permission denied`, as who lacks a
right is, but with another cookie.
"""

import asyncio
import contextlib
import itertools
import secrets
from collections import deque
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any, Final, TypeVar

from collectors.asterisk.account import Account
from collectors.asterisk.answers import Answer
from collectors.asterisk.client import GREETING, MAX_LINES_BYTES
from collectors.asterisk.hearing import Hearing
from collectors.asterisk.manager import AmiRefusedError, Hear, check
from collectors.asterisk.rawman import Rawman
from collectors.asterisk.recall import Recall
from collectors.asterisk.wire import BLOCK_END, MAX_BLOCK_BYTES, Block, Splitter, decode, decode_lines, encode
from dialtone.model import CollectError, CollectFailure, Secret, TlsPlan
from dialtone.ports import Clock
from dialtone.runtime.clock import SystemClock
from dialtone.runtime.deadline import within

T = TypeVar("T")
_Read = Callable[[str, bytes], Coroutine[object, object, T]]
"""Makes something of a body; is handed the ActionID that its blocks must have."""

_SLICE: Final = 32 * 1024
"""Bytes that are read in one turn of the loop: some 70 events, 2 ms."""
_HEAD: Final = 4096
_CLOSE_DEADLINE: Final = 1.0

_numbers = itertools.count(1)


class _ForgottenError(CollectError):
    """The server knows nothing of our session any more."""


class AjamClient:
    """Implements Manager: asks one server, each action a request of its own, in a session.

    `endpoint` is http(s)://HOST:PORT/PATH of rawman, `deadline` seconds for each action, half of it for the
    first, by which a wrong port is known; `tls` says whom to trust. The login is by MD5 challenge, so the
    password never crosses the wire. Errors are CollectError: aiohttp's exceptions end here.

    With `hear` events wait at the server until drain() fetches them, all at once: what is known of their time
    is when that was. Those of a session that has ended are lost; `connections` tells, because the next action
    begins a new one without a word.
    """

    def __init__(
        self,
        endpoint: str,
        username: str,
        secret: Secret,
        *,
        deadline: float,
        hear: Hear | None = None,
        connected: Callable[[], None] | None = None,
        tls: TlsPlan | None = None,
        clock: Clock | None = None,
    ) -> None:
        self._where = endpoint
        self._deadline = deadline
        self._clock: Clock = clock or SystemClock()
        self._account = Account(endpoint, username, secret, self._clock, deadline)
        self._hearing = Hearing(endpoint, hear, connected)
        self._rawman = Rawman(endpoint, tls)
        self._token = secrets.token_hex(4)  # nobody who gets a line into some value can guess our ActionIDs
        self._turn = asyncio.Lock()
        self._cookie = ""
        self._closed = False

    @property
    def connections(self) -> int:
        """How many logins have succeeded so far."""
        return self._hearing.connections

    @property
    def lost_events(self) -> int:
        """How many events were not taken in."""
        return self._hearing.lost

    async def aclose(self) -> None:
        """Log off and close, within a second and for good."""
        self._closed = True
        if self._cookie and not self._turn.locked():
            with contextlib.suppress(CollectError, AmiRefusedError):
                await self._exchange("Logoff", {}, _answer("Logoff"), _CLOSE_DEADLINE)
        self._cookie = ""
        await self._rawman.aclose()

    async def connect(self) -> None:
        """Make sure of a session; whether it still holds, the next action shows. Raises CollectError."""
        async with self._turn:
            self._check_open()
            if not self._cookie:
                await self._log_in()

    async def ask(self, action: str, headers: Mapping[str, str] | None = None) -> Block:
        """Send an action and return its response. Raises CollectError, AmiRefusedError."""
        return (await self._in_session(action, headers, _answer(action))).response or {}

    async def list(
        self, action: str, ends_with: str, headers: Mapping[str, str] | None = None
    ) -> Sequence[Block]:
        """Send an action that answers with a list, and return its items. Raises as ask()."""
        return (await self._in_session(action, headers, _answer(action, ends_with=ends_with))).items

    async def items(self, action: str, ends_with: str, recall: Recall[T]) -> Sequence[T]:
        """Send an action that answers with a list, and return what is made of its items. Raises as ask()."""
        read = _answer(action, ends_with=ends_with, recall=recall)
        recall.turn()
        return (await self._in_session(action, None, read)).made

    async def lines(self, action: str, headers: Mapping[str, str] | None = None) -> Sequence[tuple[str, str]]:
        """Send an action and return all lines of its one response, in order. Raises as ask()."""
        answer = await self._in_session(action, headers, _answer(action, limit=MAX_LINES_BYTES))
        return await asyncio.to_thread(decode_lines, answer.raw)

    async def drain(self) -> None:
        """Have the events heard that came since the last time. Raises as ask()."""
        if self._hearing.wanted:
            # Without waiting for any: Asterisk gives what is there at once.
            await self._in_session("WaitEvent", {"Timeout": "0"}, self._events)

    async def _in_session(self, action: str, headers: Mapping[str, str] | None, read: _Read[T]) -> T:
        """Return what is read of the answer; where the session has ended, of the answer in a new one."""
        check(action, headers or {})
        async with self._turn:
            self._check_open()
            try:
                if not self._cookie:
                    await self._log_in()
                with contextlib.suppress(_ForgottenError):
                    return (await self._exchange(action, headers or {}, read))[1]
                await self._log_in()
                return (await self._exchange(action, headers or {}, read))[1]
            except AmiRefusedError:
                raise
            except BaseException as error:
                if not (isinstance(error, CollectError) and error.failure is CollectFailure.DENIED):
                    self._cookie = ""
                raise

    async def _log_in(self) -> None:
        self._account.check()
        self._cookie = ""
        try:
            cookie = await self._prove()
        except AmiRefusedError:
            raise self._account.refused() from None
        self._cookie = cookie
        self._account.accepted()
        self._hearing.connect()

    def _check_open(self) -> None:
        if self._closed:
            raise CollectError(CollectFailure.CONNECT, f"the session of {self._where} was closed by us")

    async def _prove(self) -> str:
        """Show that we know the password; return the cookie of the session that begins with it."""
        cookie, answer = await self._exchange(
            "Challenge", {"AuthType": "MD5"}, _answer("Challenge"), self._deadline * GREETING
        )
        challenge = (answer.response or {}).get("Challenge", "")
        if not cookie or not challenge:
            missing = "challenge" if cookie else "session cookie"
            raise CollectError(CollectFailure.PROTOCOL, f"{self._where} gives no {missing}: is it rawman?")
        login = {**self._account.proof(challenge), "Events": self._hearing.classes}
        await self._exchange("Login", login, _answer("Login"), cookie=cookie)
        return cookie

    async def _exchange(
        self,
        action: str,
        headers: Mapping[str, str],
        read: _Read[T],
        deadline: float | None = None,
        *,
        cookie: str = "",
    ) -> tuple[str, T]:
        """Send one action; return the reply's cookie, and what is read of its body.

        Raises CollectError (_ForgottenError where the session has ended), and what `read` raises.
        """
        check(action, headers)
        cookie = cookie or self._cookie
        action_id = f"dialtone-{self._token}-{next(_numbers)}"
        try:
            encode(action, action_id, headers)  # the form could hold a line break, and its header then too
        except ValueError as error:  # a user name that the configuration let through
            raise CollectError(CollectFailure.INTERNAL, str(error)) from None
        form = {"Action": action, "ActionID": action_id, **headers}

        async def exchanged() -> tuple[str, T]:
            reply = await self._rawman.post(action, form, cookie)
            if cookie and reply.cookie != cookie and _is_denied(reply.body):
                raise _ForgottenError(
                    CollectFailure.SERVER,
                    f"{self._where} forgets sessions at once: does every request reach the same server?",
                )
            return reply.cookie, await read(action_id, reply.body)

        limit = deadline or self._deadline
        try:
            return await within(self._clock, limit, exchanged)
        except TimeoutError:
            hint = "" if self.connections else ": is this a port for HTTP, or does Asterisk hang?"
            raise CollectError(
                CollectFailure.TIMEOUT, f"no answer to {action} from {self._where} in {limit:g} s{hint}"
            ) from None

    async def _events(self, action_id: str, body: bytes) -> None:
        """Hand the events of an answer to WaitEvent to who hears them, in order."""
        answer = Answer("WaitEvent", action_id)
        whole = False

        def take(blocks: deque[bytes]) -> None:
            nonlocal whole
            for raw in blocks:
                head = decode(raw[:_HEAD] if len(raw) > MAX_BLOCK_BYTES else raw)
                if answer.response is None:
                    answer.take(raw)
                elif answer.has(raw):
                    whole = head.get("Event") == "WaitEventComplete"
                elif len(raw) > MAX_BLOCK_BYTES:
                    self._hearing.lose()
                else:
                    self._hearing.tell(head)

        await _each(body, MAX_BLOCK_BYTES, take)
        if not whole:
            raise _broken_off("WaitEvent")


def _answer(
    action: str,
    *,
    ends_with: str = "",
    limit: int = MAX_BLOCK_BYTES,
    recall: Recall[Any] | None = None,
) -> _Read[Answer]:
    """Return what reads an answer: the response, and a list's items.

    `limit` is how many bytes one block may have. What is not of our ActionID is nobody's.
    """

    async def read(action_id: str, body: bytes) -> Answer:
        answer = Answer(action, action_id, ends_with, recall)

        def take(blocks: deque[bytes]) -> None:
            while blocks:
                answer.take_items(blocks)
                if not blocks:
                    return
                raw = blocks.popleft()
                if len(raw) > limit:
                    raise CollectError(CollectFailure.TOO_LARGE, f"{action}: a message is over {limit} bytes")
                if answer.has(raw):
                    answer.take(raw)

        await _each(body, limit, take)
        if not answer.whole:
            raise _broken_off(action)
        return answer

    return read


async def _each(body: bytes, limit: int, take: Callable[[deque[bytes]], None]) -> None:
    """Hand over the blocks, some at a time, and give others their turns in between."""
    splitter = Splitter()
    splitter.limit = limit
    for start in range(0, len(body), _SLICE):
        take(deque(splitter.feed(body[start : start + _SLICE])))
        await asyncio.sleep(0)


def _is_denied(body: bytes) -> bool:
    return decode(body[:_HEAD].partition(BLOCK_END)[0]).get("Message") == "Permission denied"


def _broken_off(action: str) -> CollectError:
    return CollectError(CollectFailure.PROTOCOL, f"the answer to {action} is none, or not whole")
