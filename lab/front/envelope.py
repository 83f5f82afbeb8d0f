"""The JSON-RPC envelope of OpenSIPS 3.6's MI over HTTP, its errors included (pure)."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

MAX_REQUEST: Final = 1024
"""Bytes of a request body that OpenSIPS 3.6 takes; longer ones get 400."""

_DECODER: Final = json.JSONDecoder()


class MiError(Exception):
    """An error reply. Codes are JSON-RPC's where it has one, else those of HTTP."""

    def __init__(self, code: int, message: str, data: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.data = data


PARSE_ERROR: Final = (-32700, "Parse error")
INVALID_REQUEST: Final = (-32600, "Invalid Request")
METHOD_NOT_FOUND: Final = (-32601, "Method not found")
INVALID_PARAMS: Final = (-32602, "Invalid params")


@dataclass(frozen=True, slots=True)
class Request:
    """A request; `wants_reply` is False for one without id, which is answered 202 and nothing else."""

    id: object
    method: str
    params: Sequence[object] | Mapping[str, object]
    wants_reply: bool


def parse(body: bytes) -> Request:
    """Return the request in a body. Raises BadEnvelope with the reply that OpenSIPS gives.

    Like OpenSIPS it overlooks what comes after the object, and takes no batches.
    """
    try:
        tree, _ = _DECODER.raw_decode(body.decode().lstrip())
    except (ValueError, RecursionError):
        raise BadEnvelope(None, MiError(*PARSE_ERROR)) from None
    number = tree.get("id") if isinstance(tree, dict) else None
    params = tree.get("params", []) if isinstance(tree, dict) else None
    if (
        not isinstance(tree, dict)
        or tree.get("jsonrpc") != "2.0"
        or not isinstance(tree.get("method"), str)
        or not isinstance(params, list | dict)
    ):
        raise BadEnvelope(number, MiError(*INVALID_REQUEST))
    return Request(number, tree["method"], params, wants_reply="id" in tree)


class BadEnvelope(Exception):  # noqa: N818 - it carries an MiError
    """A body that is no request; `id` is what could be read of it."""

    def __init__(self, number: object, error: MiError) -> None:
        super().__init__(error.message)
        self.id = number
        self.error = error


def arguments(request: Request, recipes: Sequence[Sequence[str]]) -> dict[str, object]:
    """Return the parameters by name. `recipes` are the sets of parameters that a command takes.

    Raises MiError with OpenSIPS's three complaints about parameters.
    """
    fitting = [recipe for recipe in recipes if len(recipe) == len(request.params)]
    if not fitting:
        raise MiError(*INVALID_PARAMS, "Too few or too many parameters")
    if not isinstance(request.params, Mapping):
        return dict(zip(fitting[0], request.params, strict=True))
    for recipe in fitting:
        if request.params.keys() == set(recipe):
            return dict(request.params)
    raise MiError(*INVALID_PARAMS, "Named parameters do not match")


def text(given: Mapping[str, object], name: str) -> str:
    """Return a parameter that must be a string or a number. Raises MiError."""
    value = given[name]
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise MiError(*INVALID_PARAMS, f"Bad type for parameter '{name}'")
    return str(value)


def texts(given: Mapping[str, object], name: str) -> list[str]:
    """Return a parameter that must be an array of strings. Raises MiError."""
    value = given[name]
    if not isinstance(value, list) or not all(isinstance(word, str) for word in value):
        raise MiError(*INVALID_PARAMS, f"Bad type for parameter '{name}'")
    return value


def result(number: object, value: object) -> bytes:
    """Return the body of a good reply."""
    return _body({"result": value}, number)


def failure(number: object, error: MiError) -> bytes:
    """Return the body of an error reply."""
    told = {"code": error.code, "message": error.message}
    return _body({"error": told if error.data is None else told | {"data": error.data}}, number)


def _body(member: Mapping[str, object], number: object) -> bytes:
    return json.dumps({"jsonrpc": "2.0", **member, "id": number}, separators=(",", ":")).encode()
