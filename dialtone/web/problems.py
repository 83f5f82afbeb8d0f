"""Errors as problem details (RFC 9457): one shape for everything that goes wrong.

A problem never repeats what was asked for: the path or value may name another tenant's things, and an
answer must not confirm them.
"""

import math
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from fastapi.routing import iter_route_contexts
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.routing import compile_path

from dialtone.ports import StoreError
from dialtone.sla.closing import BrokenClosingError, RefusedError

_log = structlog.get_logger(__name__)

MEDIA_TYPE = "application/problem+json"


class Problem(BaseModel):
    """An error (RFC 9457)."""

    type: str = Field("about:blank", description="Always about:blank: the status says what kind it is")
    title: str = Field(description="The status in words")
    status: int
    detail: str = Field(description="What is wrong and how to mend it")
    errors: list[dict[str, str]] = Field(
        default_factory=list,
        description="For 422: each parameter (`at`) and what is wrong with it (`problem`)",
    )


def _documented(texts: Mapping[int, str]) -> Mapping[int | str, dict[str, Any]]:
    schema = Problem.model_json_schema()
    return {
        status: {"description": text, "content": {MEDIA_TYPE: {"schema": schema}}}
        for status, text in texts.items()
    }


DOCUMENTED: Final = _documented(
    {
        401: "A token is needed",
        404: "There is no such thing, or it is somebody else's",
        409: "The books don't give a closed month any more",
        422: "A parameter is wrong",
        503: "The store can't answer now",
    }
)
DOCUMENTED_WRITES: Final = _documented(
    {
        400: "The body is no JSON",
        403: "The token only reads, or its scope is a client's",
        408: "The body did not come in time",
        409: "The books can't take it as they stand",
        413: "The body is too large",
        415: "The body is not said to be JSON",
    }
)
"""For `responses=` of a route: what OpenAPI says of errors; the second is of those that change something."""

_INSTANT: Final = "write an instant with its zone, such as 2026-11-03T02:00:00-05:00"
_WORDS: Final[Mapping[str, str]] = {
    "timezone_aware": f"has no zone: {_INSTANT}",
    "datetime_type": f"is no instant: {_INSTANT}",
    "datetime_parsing": f"is no instant: {_INSTANT}",
    "datetime_from_date_parsing": f"is no instant: {_INSTANT}",
    "datetime_object_invalid": f"is no instant: {_INSTANT}",
    "json_invalid": 'is no JSON from that character on: send one object, such as {"tenant": "acme.example"}',
    "model_attributes_type": 'is no JSON object: send one, such as {"tenant": "acme.example"}',
    "missing": "is missing",
    "extra_forbidden": "is no name that is known here: take it out",
    "string_type": "must be text, in quotation marks",
    "int_type": "must be a whole number, without quotation marks",
    "int_parsing": "must be a whole number",
    "tuple_type": 'must be a list, such as ["call"]',
}
"""What to write instead, by pydantic's types of errors; of others its own words say enough."""
_OURS: Final = "Value error, "
"""What pydantic puts in front of the words that a check of ours raised."""
_MOST_ERRORS: Final = 20
_MOST_CHARACTERS: Final = 60
_SPELL: Final = 60.0
"""Seconds without a failure of the store after which the next one is news."""
_MOST_TOLD: Final = 20


def problem(
    status: int,
    detail: str,
    *,
    errors: Sequence[Mapping[str, str]] = (),
    headers: Mapping[str, str] | None = None,
) -> Response:
    """Return a problem as a response."""
    body = Problem(
        title=HTTPStatus(status).phrase, status=status, detail=detail, errors=[dict(e) for e in errors]
    )
    shown = body.model_dump(exclude=None if errors else {"errors"})
    return JSONResponse(shown, status, headers=dict(headers or {}), media_type=MEDIA_TYPE)


def install(app: FastAPI) -> None:
    """Make every error of the application a problem."""
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(RefusedError, _refused)
    app.add_exception_handler(BrokenClosingError, _broken)
    app.add_exception_handler(StoreError, _StoreTrouble())
    app.add_exception_handler(Exception, _ours)


async def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - registered for this class alone
    headers = dict(error.headers or {})
    if error.status_code == 405:
        headers["Allow"] = ", ".join(_methods(request)) or headers.get("Allow", "GET")
    details = {
        400: "the body can't be read: send one JSON object",
        404: "there is nothing here that you may see",
        405: f"this address knows no such method: use {headers.get('Allow')}",
    }
    detail = details.get(error.status_code, str(error.detail))
    return problem(error.status_code, detail, headers=headers)


def _methods(request: Request) -> list[str]:
    """Return what may be done at an address: each method has a route of its own, and names itself alone."""
    path = request.url.path
    return sorted(
        {
            method
            for route in iter_route_contexts(request.app.router.routes)
            if route.path and compile_path(route.path)[0].match(path)
            for method in route.methods or ()
        }
    )


async def _invalid(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101 - registered for this class alone
    found = [
        {
            "at": ".".join(str(part)[:_MOST_CHARACTERS] for part in e["loc"]),
            "problem": _WORDS.get(e.get("type", "")) or str(e["msg"]).removeprefix(_OURS),
        }
        for e in error.errors()[:_MOST_ERRORS]
    ]
    return problem(422, "; ".join(f"{e['at']}: {e['problem']}" for e in found), errors=found)


async def _refused(_: Request, error: Exception) -> Response:
    return problem(422, str(error))


async def _broken(_: Request, error: Exception) -> Response:
    _log.error("web.closing_broken", why=str(error))
    return problem(409, str(error))


async def _ours(_: Request, error: Exception) -> Response:
    # Starlette raises it again behind us, so that the server logs the traceback.
    return problem(500, "a mistake of ours; the service's log has it")


class _StoreTrouble:
    """Answers for a store that fails; each reason is logged once while that lasts."""

    def __init__(self) -> None:
        self._told: set[str] = set()
        self._last = -math.inf

    async def __call__(self, request: Request, error: Exception) -> Response:
        """Answer 503, without the store's inner words."""
        why, now = str(error), request.app.state.context.clock.monotonic()
        if now - self._last > _SPELL:
            self._told.clear()
        self._last = now
        if why not in self._told and len(self._told) < _MOST_TOLD:
            self._told.add(why)
            _log.warning("web.store_failed", why=why)
        return problem(
            503, "the store can't answer now; the service's log says why", headers={"Retry-After": "5"}
        )
