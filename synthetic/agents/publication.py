"""What a phone publishes of itself (RFC 3903): one presence state, known by its entity-tag."""

import re
from collections.abc import Awaitable, Callable
from typing import Any, Final

from dialtone.model import FailureCode
from synthetic import presence_documents
from synthetic.agents.exchange import Answered, PendingExchange, Watch
from synthetic.agents.headers import text_of
from synthetic.agents.line import Line
from synthetic.probes.base import Exchange, FlowError

_TAG: Final = re.compile(r"[A-Za-z0-9.!%*_+`'~-]{1,256}")
_UNKNOWN_TAG: Final = 412


class _Asked(Watch):
    """Keeps the PUBLISH that was sent last: who gave up waiting needs the tag that its answer brings."""

    pending: PendingExchange | None = None

    def started(self, pending: PendingExchange) -> None:
        """Another one is out."""
        self.pending = pending


class Publication:
    """The published state of one phone, in a tuple that is known by its probe."""

    def __init__(self, line: Line, probe: str) -> None:
        self._line = line
        self._own = presence_documents.own_tuple(probe)
        self._asked = _Asked()
        self._tag = ""

    async def publish(self, state: str) -> Exchange:
        """Publish open or closed; anew where the server forgot the last one (412). Raises FlowError."""
        entity = str(self._line.own_address(tagged=False).url)
        document = presence_documents.pidf(entity, state, self._own)

        def make(expires: int) -> Any:
            return self._request(expires, document)

        done = await self._put_up(make)
        first = done.sent
        if done.status == _UNKNOWN_TAG and self._tag:
            self._tag = ""
            done = await self._put_up(make)
        done = done.accepted()
        tag = text_of(done.response, "sip-etag")
        if not _TAG.fullmatch(tag):
            raise FlowError(
                FailureCode.UNEXPECTED_MESSAGE,
                "a 2xx to PUBLISH without a SIP-ETag (RFC 3903 11.3.1)",
                done.status,
            )
        self._tag = tag
        return Exchange(first, done.received, done.status)

    def endings(self) -> list[Callable[[], Awaitable[object]]]:
        """Return the step that takes it back, where there is or may be one."""
        return [self._end] if self._tag or self._asked.pending is not None else []

    async def _end(self) -> None:
        """Take it back. Raises FlowError.

        A server that says 412 has none, or one with the tag that the answer to our last PUBLISH brings, if
        that is not here yet. Where the removal came first, that PUBLISH finds its own condition gone.
        """
        if self._tag and await self._removed():
            return
        pending, self._asked.pending = self._asked.pending, None
        if pending is not None:
            tag = text_of(await pending.final(), "sip-etag")
            if _TAG.fullmatch(tag):
                self._tag = tag
                await self._removed()

    async def _put_up(self, make: Callable[[int], Any]) -> Answered:
        """Publish and return the final response; only who is cancelled leaves one to be waited for."""
        try:
            done = await self._line.put_up(make, watch=self._asked)
        except FlowError:
            self._asked.pending = None
            raise
        self._asked.pending = None
        return done

    async def _removed(self) -> bool:
        """Remove what has our tag; False where the server knows of none (412). Raises FlowError."""
        done = await self._line.converse(self._request(0, None))
        self._tag = ""
        if done.status == _UNKNOWN_TAG:
            return False
        done.accepted()
        return True

    def _request(self, expires: int, document: str | None) -> Any:
        condition = (("SIP-If-Match", self._tag),) if self._tag else ()
        return self._line.request(
            "PUBLISH",
            self._line.url(self._line.user),
            to=self._line.own_address(tagged=False),
            contact=(),
            expires=expires,
            headers=(("Event", "presence"), *condition),
            body=document,
            body_type=presence_documents.PIDF,
        )
