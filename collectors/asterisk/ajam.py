"""Asterisk's manager over HTTP (AJAM): a session by cookie, and events that come when they are fetched.

Measured on Asterisk 16.28 and 22.10. Errors come with status 200. A session ends httptimeout of manager.conf
(60 s) after its last request; who asks in one that has ended is told `Permission denied`, as who lacks a
right is, but with another cookie.
"""

import asyncio
import contextlib
import hashlib
import itertools
import secrets
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any, Final, TypeVar

import structlog

from collectors.asterisk.answers import Answer
from collectors.asterisk.client import MAX_LINES_BYTES
from collectors.asterisk.manager import EVENT_CLASSES, AmiRefusedError, Hear, check
from collectors.asterisk.rawman import Rawman
from collectors.asterisk.recall import Recall
from collectors.asterisk.wire import BLOCK_END, MAX_BLOCK_BYTES, Block, Splitter, decode, decode_lines, encode
from dialtone.model import CollectError, CollectFailure, Secret, TlsPlan
from dialtone.ports import Clock
from dialtone.runtime.clock import SystemClock
from dialtone.runtime.deadline import within

_log = structlog.get_logger(__name__)

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

    `endpoint` is http(s)://HOST:PORT/PATH of rawman, `deadline` seconds for each action, for logging in too;
    `tls` says whom to trust. The login is by MD5 challenge, so the password never crosses the wire. Errors
    are CollectError: aiohttp's exceptions end here.

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
        tls: TlsPlan | None = None,
        clock: Clock | None = None,
    ) -> None:
        self._where = endpoint
        self._username, self._secret = username, secret
        self._deadline = deadline
        self._hear = hear
        self._hear_failed = False
        self._clock: Clock = clock or SystemClock()
        self._rawman = Rawman(endpoint, tls)
        self._token = secrets.token_hex(4)  # nobody who gets a line into some value can guess our ActionIDs
        self._turn = asyncio.Lock()
        self._cookie = ""
        self._refused: tuple[float, CollectError] | None = None
        self.connections = 0
        self.lost_events = 0

    async def aclose(self) -> None:
        """Log off and close, within a second; a later action begins a new session."""
        if self._cookie and not self._turn.locked():
            with contextlib.suppress(CollectError, AmiRefusedError):
                await self._exchange("Logoff", {}, _answer("Logoff"), _CLOSE_DEADLINE)
        self._cookie = ""
        await self._rawman.aclose()

    async def connect(self) -> None:
        """Make sure of a session; whether it still holds, the next action shows. Raises CollectError.

        For a deadline's time after credentials were refused nothing is tried: whatever one poll asks, it
        fails to log in once.
        """
        async with self._turn:
            if not self._cookie:
                await self._log_in()

    async def ask(self, action: str, headers: Mapping[str, str] | None = None) -> Block:
        """Send an action and return its response. Raises CollectError, AmiRefusedError."""
        answer, _ = await self._in_session(action, headers, _answer(action))
        return answer.response or {}

    async def list(
        self, action: str, ends_with: str, headers: Mapping[str, str] | None = None
    ) -> Sequence[Block]:
        """Send an action that answers with a list, and return its items. Raises as ask()."""
        answer, _ = await self._in_session(action, headers, _answer(action, ends_with=ends_with))
        return answer.items

    async def items(self, action: str, ends_with: str, recall: Recall[T]) -> Sequence[T]:
        """Send an action that answers with a list, and return what is made of its items. Raises as ask()."""
        read = _answer(action, ends_with=ends_with, recall=recall)
        recall.turn()
        answer, _ = await self._in_session(action, None, read)
        return answer.made

    async def lines(self, action: str, headers: Mapping[str, str] | None = None) -> Sequence[tuple[str, str]]:
        """Send an action and return all lines of its one response, in order. Raises as ask()."""
        _, raw = await self._in_session(action, headers, _answer(action, limit=MAX_LINES_BYTES))
        return await asyncio.to_thread(decode_lines, raw)

    async def drain(self) -> None:
        """Have the events heard that came since the last time. Raises as ask()."""
        if self._hear is not None:
            # Without waiting for any: Asterisk gives what is there at once.
            await self._in_session("WaitEvent", {"Timeout": "0"}, self._events)

    async def _in_session(self, action: str, headers: Mapping[str, str] | None, read: _Read[T]) -> T:
        """Return what is read of the answer; where the session has ended, of the answer in a new one."""
        check(action, headers or {})
        async with self._turn:
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
        if self._refused is not None and self._clock.monotonic() < self._refused[0]:
            raise self._refused[1]
        self._cookie = ""
        try:
            cookie = await self._prove()
        except AmiRefusedError:
            # A wrong password, an unknown user and an address that isn't permitted get the same words.
            error = CollectError(
                CollectFailure.AUTH,
                f"{self._where} refused user {self._username}: wrong password, no such user in manager.conf, "
                "or its permit= excludes this machine",
            )
            self._refused = self._clock.monotonic() + self._deadline, error
            raise error from None
        self._cookie, self._refused = cookie, None
        self.connections += 1

    async def _prove(self) -> str:
        """Show that we know the password; return the cookie of the session that begins with it."""
        cookie, (reply, _) = await self._exchange("Challenge", {"AuthType": "MD5"}, _answer("Challenge"))
        challenge = (reply.response or {}).get("Challenge", "")
        if not cookie or not challenge:
            missing = "challenge" if cookie else "session cookie"
            raise CollectError(CollectFailure.PROTOCOL, f"{self._where} gives no {missing}: is it rawman?")
        # MD5 is what the protocol asks for (Login, AuthType: MD5).
        proof = hashlib.md5((challenge + self._secret.reveal()).encode(), usedforsecurity=False).hexdigest()
        events = "off" if self._hear is None else EVENT_CLASSES
        login = {"AuthType": "MD5", "Username": self._username, "Key": proof, "Events": events}
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
            raise CollectError(
                CollectFailure.TIMEOUT, f"no answer to {action} from {self._where} in {limit:g} s"
            ) from None

    async def _events(self, action_id: str, body: bytes) -> None:
        """Hand the events of an answer to WaitEvent to who hears them, in order."""
        answer = Answer("WaitEvent")
        whole = False

        def take(raw: bytes) -> None:
            nonlocal whole
            too_large = len(raw) > MAX_BLOCK_BYTES
            block = decode(raw[:_HEAD] if too_large else raw)
            if answer.response is None:
                answer.take(block, len(raw))
            elif block.get("ActionID") == action_id:
                whole = block.get("Event") == "WaitEventComplete"
            elif too_large:
                self.lost_events += 1
            elif "Event" in block:
                self._tell(block)

        await _each(body, MAX_BLOCK_BYTES, take)
        if not whole:
            raise _broken_off("WaitEvent")

    def _tell(self, event: Block) -> None:
        if self._hear is None:
            return
        try:
            self._hear(event)
        except Exception:  # noqa: BLE001 - a mistake of ours about one event must not take the others away
            if not self._hear_failed:
                _log.exception("an event could not be taken in, by a mistake of ours", endpoint=self._where)
            self._hear_failed = True


def _answer(
    action: str,
    *,
    ends_with: str = "",
    limit: int = MAX_BLOCK_BYTES,
    recall: Recall[Any] | None = None,
) -> _Read[tuple[Answer, bytes]]:
    """Return what reads an answer: the response and a list's items, and the bytes of the response.

    `limit` is how many bytes one block may have. What is not of our ActionID is nobody's.
    """

    async def read(action_id: str, body: bytes) -> tuple[Answer, bytes]:
        answer = Answer(action, ends_with, recall)
        head = recall.head(action_id) if recall is not None else b""
        response, whole = b"", False

        def take(raw: bytes) -> None:
            nonlocal response, whole
            if len(raw) > limit:
                raise CollectError(CollectFailure.TOO_LARGE, f"{action}: a message is over {limit} bytes")
            if head and answer.response is not None and not whole and raw.startswith(head):
                answer.take_item(raw[len(head) - 2 :], len(raw))
                return
            block = decode(raw)
            if block.get("ActionID") != action_id:
                return
            if whole:
                raise _broken_off(action)
            if answer.response is None:
                response = raw
            whole = answer.take(block, len(raw))

        await _each(body, limit, take)
        if not whole:
            raise _broken_off(action)
        return answer, response

    return read


async def _each(body: bytes, limit: int, take: Callable[[bytes], None]) -> None:
    """Hand over block after block, and give others their turns in between."""
    splitter = Splitter()
    splitter.limit = limit
    for start in range(0, len(body), _SLICE):
        for raw in splitter.feed(body[start : start + _SLICE]):
            take(raw)
        await asyncio.sleep(0)


def _is_denied(body: bytes) -> bool:
    return decode(body[:_HEAD].partition(BLOCK_END)[0]).get("Message") == "Permission denied"


def _broken_off(action: str) -> CollectError:
    return CollectError(CollectFailure.PROTOCOL, f"the answer to {action} is none, or not whole")
