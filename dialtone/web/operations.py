"""What supervisors and Prometheus ask: /healthz, /readyz, /metrics."""

import re
import zlib
from collections.abc import Callable, Iterable
from typing import Final

import anyio
from anyio.to_thread import run_sync
from fastapi import APIRouter, Request
from fastapi.responses import PlainTextResponse, Response

from dialtone.model import Scope
from dialtone.ports import StoreError
from dialtone.web.context import WebContext
from dialtone.web.problems import problem

EXPOSITION: Final = "text/plain; version=0.0.4; charset=utf-8"
"""The content type of Prometheus's text format."""

STORE_DEADLINE: Final = 2.0
"""Seconds that the store has to answer before the service counts as not ready."""

_GZIP: Final = re.compile(r"(?:^|,)\s*(?:gzip|\*)\s*(?:;\s*q\s*=\s*(?P<q>[0-9.]+)\s*)?(?:,|$)", re.IGNORECASE)


def operations(context: WebContext) -> APIRouter:
    """Return the routes."""
    router = APIRouter(include_in_schema=False)
    # A second scrape waits for the first instead of packing beside it.
    one_at_a_time = anyio.CapacityLimiter(1)

    @router.api_route("/healthz", methods=["GET", "HEAD"])
    async def healthz() -> Response:
        """Answer as long as the process and its loop are alive."""
        return PlainTextResponse("ok\n")

    @router.api_route("/readyz", methods=["GET", "HEAD"])
    async def readyz() -> Response:
        """Say whether the store answers and the first polls are done. It names nothing: no token is asked."""
        if not await _store_answers(context):
            return problem(503, "the store does not answer", headers={"Retry-After": "5"})
        if not context.ready():
            return problem(503, "the first polls are not done yet", headers={"Retry-After": "1"})
        return PlainTextResponse("ready\n")

    @router.api_route("/metrics", methods=["GET", "HEAD"])
    async def metrics(request: Request) -> Response:
        """Prometheus's text format; gzip at level 1 where it is accepted."""
        headers = {"Content-Type": EXPOSITION, "Vary": "Accept-Encoding"}
        page = context.metrics_page()
        pack: Callable[[Iterable[bytes]], bytes] = b"".join
        if accepts_gzip(request.headers.get("accept-encoding", "")):
            headers["Content-Encoding"] = "gzip"
            pack = _gzip
        return Response(await run_sync(pack, page, limiter=one_at_a_time), headers=headers)

    return router


def accepts_gzip(header: str) -> bool:
    """Whether an Accept-Encoding header (RFC 9110 12.5.3) takes gzip; q=0 means no."""
    found = _GZIP.search(header)
    return found is not None and (found["q"] is None or found["q"].strip("0.") != "")


def _gzip(page: Iterable[bytes]) -> bytes:
    # Level 1: at 500k series a twelfth of the time of level 9 for a quarter more bytes.
    packer = zlib.compressobj(1, wbits=31)
    return b"".join([*map(packer.compress, page), packer.flush()])


async def _store_answers(context: WebContext) -> bool:
    try:
        with anyio.fail_after(STORE_DEADLINE):
            await context.store.alerts(Scope.of())
    except (StoreError, TimeoutError):
        return False
    return True
