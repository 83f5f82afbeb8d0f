"""The body of an answer: read no further than a bound, and unpacked no further than the same bound."""

import zlib
from typing import Final

import aiohttp

from dialtone.model import FailureCode
from synthetic.probes.base import FlowError

MAX_BODY: Final = 1 << 20
"""Bytes of a body that are looked at, packed or not."""

_STEP: Final = 64 << 10
_PLAIN: Final = ("", "identity")
_PACKED: Final = {"gzip": zlib.MAX_WBITS | 32, "x-gzip": zlib.MAX_WBITS | 32, "deflate": zlib.MAX_WBITS | 32}
"""Codings that are unpacked though none was asked for; 32 lets zlib see whether it is gzip or zlib."""


class Body:
    """What has come of a body so far."""

    def __init__(self) -> None:
        self.raw = bytearray()
        self.whole = False
        """Whether it has come to its end; one that goes on past the bound is left there."""

    async def read(self, response: aiohttp.ClientResponse, most: int = MAX_BODY) -> None:
        """Read on, until the end or `most` bytes. Raises aiohttp's errors."""
        while len(self.raw) < most:
            data = await response.content.read(min(_STEP, most - len(self.raw)))
            if not data:
                self.whole = True
                return
            self.raw += data

    def text(self, response: aiohttp.ClientResponse) -> str:
        """Return it unpacked, as text in its own charset. Raises FlowError with http-content."""
        data = self._unpacked(response.headers.get("Content-Encoding", "").strip().lower())
        try:
            return data.decode(response.charset or "utf-8", "replace")
        except (LookupError, ValueError):  # a charset that nobody knows, or that is no charset of text
            return data.decode("utf-8", "replace")

    def _unpacked(self, coding: str) -> bytes:
        if coding in _PLAIN:
            return bytes(self.raw)
        if (bits := _PACKED.get(coding)) is None:
            detail = "the body is in a content coding that was not asked for, and is not known here"
            raise FlowError(FailureCode.HTTP_CONTENT, detail)
        try:
            return zlib.decompressobj(bits).decompress(bytes(self.raw), MAX_BODY)
        except zlib.error:
            raise FlowError(
                FailureCode.HTTP_CONTENT, f"the body says that it is {coding}, and is not"
            ) from None
