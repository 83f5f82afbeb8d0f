"""What a phone publishes of itself (RFC 3903): one presence state, known by its entity-tag."""

import re
from collections.abc import Awaitable, Callable
from typing import Any, Final

from dialtone.model import FailureCode
from synthetic import presence_documents
from synthetic.agents.headers import text_of
from synthetic.agents.line import Line
from synthetic.probes.base import Exchange, FlowError

_TAG: Final = re.compile(r"[A-Za-z0-9.!%*_+`'~-]{1,256}")
_UNKNOWN_TAG: Final = 412


class Publication:
    """The published state of one phone."""

    def __init__(self, line: Line) -> None:
        self._line = line
        self._tag = ""

    async def publish(self, state: str) -> Exchange:
        """Publish open or closed; anew where the server forgot the last one (412). Raises FlowError."""
        document = presence_documents.pidf(str(self._line.own_address(tagged=False).url), state)

        def make(expires: int) -> Any:
            return self._request(expires, document)

        done = await self._line.put_up(make)
        first = done.sent
        if done.status == _UNKNOWN_TAG and self._tag:
            self._tag = ""
            done = await self._line.put_up(make)
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
        """Return the step that takes it back, where there is one."""
        return [self._end] if self._tag else []

    async def _end(self) -> None:
        """Take it back; a server that says 412 has none. Raises FlowError."""
        done = await self._line.converse(self._request(0, None))
        self._tag = ""
        if done.status != _UNKNOWN_TAG:
            done.accepted()

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
