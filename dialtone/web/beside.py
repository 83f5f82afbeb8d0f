"""What takes long goes into a thread: pages and answers about thousands of tenants; the loop polls on."""

from collections.abc import Callable
from typing import TypeVar

from anyio.to_thread import run_sync
from fastapi import Response
from pydantic import BaseModel

T = TypeVar("T")


async def beside(work: Callable[[], T]) -> T:
    """Return what work gives; it only touches what is its own, or never changes."""
    return await run_sync(work)


async def answered(work: Callable[[], BaseModel]) -> Response:
    """Return the answer that a route's model is, made and written beside the loop."""
    body = await beside(lambda: work().model_dump_json(by_alias=True))
    return Response(body, media_type="application/json")
