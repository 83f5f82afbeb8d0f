"""Errors as problem details (RFC 9457): one shape for everything that goes wrong.

A problem never repeats what was asked for: the path or value may name another tenant's things, and an
answer must not confirm them.
"""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

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

_OURS: Final = "Value error, "
"""What pydantic puts in front of the words that a check of ours raised."""
_MOST_ERRORS: Final = 20
_MOST_CHARACTERS: Final = 60


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
    app.add_exception_handler(StoreError, _store)
    app.add_exception_handler(Exception, _ours)


async def _http(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - registered for this class alone
    allowed = (error.headers or {}).get("Allow", "GET")
    details = {
        400: "the body can't be read: send one JSON object",
        404: "there is nothing here that you may see",
        405: f"this address knows no such method: use {allowed}",
    }
    detail = details.get(error.status_code, str(error.detail))
    return problem(error.status_code, detail, headers=error.headers)


async def _invalid(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101 - registered for this class alone
    found = [
        {
            "at": ".".join(str(part)[:_MOST_CHARACTERS] for part in e["loc"]),
            "problem": str(e["msg"]).removeprefix(_OURS),
        }
        for e in error.errors()[:_MOST_ERRORS]
    ]
    return problem(422, "; ".join(f"{e['at']}: {e['problem']}" for e in found), errors=found)


async def _refused(_: Request, error: Exception) -> Response:
    return problem(422, str(error))


async def _broken(_: Request, error: Exception) -> Response:
    _log.error("web.closing_broken", why=str(error))
    return problem(409, str(error))


async def _store(_: Request, error: Exception) -> Response:
    _log.warning("web.store_failed", why=str(error))
    return problem(
        503, "the store can't answer now; the service's log says why", headers={"Retry-After": "5"}
    )


async def _ours(_: Request, error: Exception) -> Response:
    # Starlette raises it again behind us, so that the server logs the traceback.
    return problem(500, "a mistake of ours; the service's log has it")
