"""Mutated recordings at an AMI client with actions under way, over a connection without a kernel."""

import asyncio
import random
import re
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

from collectors.asterisk.client import AmiClient
from collectors.asterisk.connection import Connection
from collectors.asterisk.manager import AmiRefusedError
from collectors.asterisk.recall import Recall
from dialtone.model import CollectError, CollectFailure, Secret
from tests.fakes.ami_mutations import Mutator
from tests.fakes.clock import FakeClock
from tests.fakes.memory import held

_ACTION_ID: Final = re.compile(rb"ActionID: [^\r\n]*")
_DEADLINE: Final = 5.0


@dataclass
class Seen:
    """What came of a storm: how the actions ended, what else was raised, and what was held."""

    ends: Counter[str] = field(default_factory=Counter)
    escapes: list[str] = field(default_factory=list)
    heard: int = 0
    lost: int = 0
    over: int = 0
    """Bytes of an unfinished message that were kept beyond the limit, at most: 3 may begin its end."""
    grown: int = 0
    """Blocks of Python's memory that are held at the end and were not after the first fifth."""


class _Pipe(asyncio.Transport):
    """A connection's other side: answers an action with what `reply` makes of it, as soon as possible."""

    def __init__(self, connection: Connection, reply: Callable[["_Pipe", bytes], object]) -> None:
        super().__init__()
        self.connection = connection
        self._reply = reply
        self._closing = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        asyncio.get_running_loop().call_soon(self._reply, self, bytes(data))

    def is_closing(self) -> bool:
        return self._closing

    def close(self) -> None:
        if not self._closing:
            self._closing = True
            asyncio.get_running_loop().call_soon(self.connection.connection_lost, None)

    def abort(self) -> None:
        self.close()


class Storm:
    """Asks all kinds of questions; the answer to each is mutated, the login's too."""

    def __init__(self, seed: int) -> None:
        self.seen = Seen()
        self._draw, self._mutator = random.Random(seed), Mutator(seed)
        self._clock = FakeClock()
        self._pipe: _Pipe | None = None
        self._calm = False
        self._recall = Recall("CoreShowChannel", "Duration", lambda block: dict(block))

    async def run(self, mutations: int) -> Seen:
        """Feed so many mutated recordings."""
        loop = asyncio.get_running_loop()
        first = 0
        with _instead_of_the_kernel(loop, self._connect), self._escapes(loop):
            client = AmiClient(
                "tcp://127.0.0.1:1",
                "dialtone",
                Secret("geheim"),
                deadline=_DEADLINE,
                hear=self._hear,
                clock=self._clock,
            )
            fed = 0
            while fed < mutations:
                # Most storms begin when logged in; a mutated login comes to nothing more.
                self._calm = self._draw.random() < 0.8
                await self._ask(client.connect)
                self._calm = False
                while fed < mutations and await self._ask(self._question(client)):
                    fed += 1
                fed += 1
                first = first or (held() if fed > mutations / 5 else 0)
            self._calm = True
            await self._ask(client.aclose)
            self.seen.lost = client.lost_events
        self.seen.grown = held() - first
        return self.seen

    def _question(self, client: AmiClient) -> Callable[[], Awaitable[object]]:
        return self._draw.choice(
            (
                lambda: client.ask("CoreStatus"),
                lambda: client.list("CoreShowChannels", "CoreShowChannelsComplete"),
                lambda: client.list("QueueStatus", "QueueStatusComplete"),
                lambda: client.lines("ListCommands"),
                lambda: client.items("CoreShowChannels", "CoreShowChannelsComplete", self._recall),
            )
        )

    async def _ask(self, question: Callable[[], Awaitable[object]]) -> bool:
        """Ask, and end it in one way or another where no answer came; True where the connection stays."""
        asked = asyncio.ensure_future(question())
        if not await _ends(asked):
            if self._draw.random() < 0.1:
                await self._clock.advance(_DEADLINE)
            elif self._pipe is not None:
                self._pipe.close()
            if not await _ends(asked):
                self.seen.escapes.append("an action that has no end")
                asked.cancel()
        try:
            await asked
            self.seen.ends["answered"] += 1
        except AmiRefusedError:
            self.seen.ends["refused"] += 1
        except CollectError as error:
            self.seen.ends[error.failure] += 1
            if error.failure is CollectFailure.AUTH:
                await self._clock.advance(_DEADLINE)  # until then nothing is tried
        except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001 - what this is about
            self.seen.escapes.append(repr(error))
        return self._pipe is not None and not self._pipe.is_closing()

    def _connect(self, connection: Connection) -> None:
        self._pipe = _Pipe(connection, self._reply)
        connection.connection_made(self._pipe)
        banner = b"Asterisk Call Manager/11.0.0\r\n"
        asyncio.get_running_loop().call_soon(self._feed, self._pipe, self._maybe(banner))

    def _reply(self, pipe: _Pipe, action: bytes) -> None:
        action_id = _ACTION_ID.search(action)
        assert action_id is not None
        if action.startswith((b"Action: Challenge", b"Action: Login", b"Action: Ping", b"Action: Logoff")):
            reply = b"Response: Success\r\n%s\r\nChallenge: 882021505\r\n\r\n" % action_id[0]
            self._feed(pipe, self._maybe(reply))
            return
        recording = self._mutator.recording()
        if self._draw.random() < 0.95:
            recording = _ACTION_ID.sub(action_id[0], recording)
        self._feed(pipe, self._mutator.mutated(recording))

    def _maybe(self, reply: bytes) -> bytes:
        return reply if self._calm or self._draw.random() < 0.5 else self._mutator.mutated(reply)

    def _feed(self, pipe: _Pipe, stuff: bytes) -> None:
        for piece in self._mutator.pieces(stuff):
            if pipe.is_closing():
                return
            try:
                pipe.connection.data_received(piece)
            except Exception as error:  # noqa: BLE001 - what this is about
                self.seen.escapes.append(repr(error))
            splitter = pipe.connection._splitter
            self.seen.over = max(self.seen.over, len(splitter._rest) - splitter.limit)

    def _hear(self, _: object) -> None:
        self.seen.heard += 1

    @contextmanager
    def _escapes(self, loop: asyncio.AbstractEventLoop) -> Iterator[None]:
        before = loop.get_exception_handler()
        loop.set_exception_handler(lambda _, context: self.seen.escapes.append(str(context)))
        try:
            yield
        finally:
            loop.set_exception_handler(before)


async def _ends(asked: asyncio.Future[object]) -> bool:
    """Let everything run that has something to do; True where the question has come to an end."""
    for _ in range(40):
        await asyncio.sleep(0)
        if asked.done():
            return True
    return False


@contextmanager
def _instead_of_the_kernel(
    loop: asyncio.AbstractEventLoop, connect: Callable[[Connection], None]
) -> Iterator[None]:
    async def create_connection(make: Callable[[], Connection], *_: object, **__: object) -> None:
        connect(make())

    real = loop.create_connection
    loop.create_connection = create_connection  # type: ignore[assignment,method-assign]
    try:
        yield
    finally:
        loop.create_connection = real  # type: ignore[method-assign]


async def storm(mutations: int, seed: int) -> Seen:
    """Feed so many mutated recordings, drawn from a seed, to a client."""
    return await Storm(seed).run(mutations)
