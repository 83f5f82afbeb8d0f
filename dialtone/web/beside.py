"""What takes long goes into a thread: pages and answers about thousands of tenants; the loop polls on."""

from collections.abc import Callable
from typing import Final, TypeVar

from anyio import CapacityLimiter
from anyio.lowlevel import RunVar
from anyio.to_thread import run_sync
from fastapi import Response
from pydantic import BaseModel

T = TypeVar("T")

_limiter: Final[RunVar[CapacityLimiter]] = RunVar("dialtone.web.beside")


async def beside(work: Callable[[], T]) -> T:
    """Return what work gives; it only touches what is its own, or never changes.

    One at a time: many threads side by side would leave the loop no more than none at all.
    """
    try:
        limiter = _limiter.get()
    except LookupError:
        limiter = CapacityLimiter(1)
        _limiter.set(limiter)
    return await run_sync(work, limiter=limiter)


async def answered(work: Callable[[], BaseModel]) -> Response:
    """Return the answer that a route's model is, made and written beside the loop."""
    body = await beside(lambda: work().model_dump_json(by_alias=True))
    return Response(body, media_type="application/json")
