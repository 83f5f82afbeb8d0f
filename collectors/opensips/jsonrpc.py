"""MI requests and replies as JSON-RPC 2.0, of OpenSIPS 3.x and 4.x, the same over HTTP, datagrams and FIFO.

A request that is an empty object or a batch, or whose method is no string, crashes servers over FIFO, on 4.0
over UDP too; one without an id gets a reply over HTTP that never ends. `request` can make none of these.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from dialtone.model import CollectError, CollectFailure

Params = Mapping[str, str | Sequence[str]]
"""The parameters of a command by name, in the order in which older servers take them."""

MAX_REQUEST_BYTES: Final = 1024
"""3.6 and 4.0 answer nothing useful to a longer body: ask for groups, not for names."""
MAX_REPLY_BYTES: Final = 8 * 1024 * 1024
NOT_FOUND: Final = 404
NO_SUCH_METHOD: Final = -32601
_MAX_MESSAGE: Final = 200
_UNKNOWN_COMMAND: Final = 500
"""What 2.4 says of a command of no module that is loaded."""


@dataclass(frozen=True, slots=True)
class MiRefused:
    """The server understood and said no; `code` is its, 404 for what isn't there, 0 where it says none."""

    code: int
    message: str

    @property
    def is_unknown(self) -> bool:
        """Whether the server has no such thing; 1.11 says so without a code."""
        unknown = self.code == _UNKNOWN_COMMAND and "not found" in self.message.lower()
        return unknown or self.code in (0, NOT_FOUND, NO_SUCH_METHOD)

    def error(self) -> CollectError:
        """Return it as the failure of a poll that can't do without what was refused."""
        return CollectError(CollectFailure.SERVER, f"MI error {self.code}: {self.message}")


def request(number: int, command: str, params: Params) -> bytes:
    """Return a request. Raises ValueError where it would be over MAX_REQUEST_BYTES."""
    values = {name: value if isinstance(value, str) else list(value) for name, value in params.items()}
    body = json.dumps({"jsonrpc": "2.0", "id": int(number), "method": str(command), "params": values})
    if len(body) > MAX_REQUEST_BYTES:
        raise ValueError(f"an MI request has at most {MAX_REQUEST_BYTES} bytes, this one {len(body)}")
    return body.encode()


def result(raw: bytes, number: int) -> object | MiRefused:
    """Return the result of a reply, or how it was refused. Raises CollectError with `protocol`."""
    reply = parsed(raw)
    if not isinstance(reply, dict) or reply.get("id") != number:
        raise CollectError(CollectFailure.PROTOCOL, "the reply is no JSON-RPC answer to this request")
    if isinstance(error := reply.get("error"), dict):
        return refused(error)
    if "result" not in reply:
        raise CollectError(CollectFailure.PROTOCOL, "the reply has neither result nor error")
    found: object = reply["result"]
    return found


def parsed(raw: bytes) -> object:
    """Return what a reply says as JSON. Raises CollectError with `protocol` where it is none.

    Names may come from callers: one that is no UTF-8 makes no other one unreadable.
    """
    try:
        found: object = json.loads(raw.decode("utf-8", "replace"))
    except (ValueError, RecursionError):
        raise CollectError(CollectFailure.PROTOCOL, "the reply is no JSON") from None
    return found


def refused(error: Mapping[str, object]) -> MiRefused:
    """Return what the error of a reply says."""
    code, message = error.get("code"), error.get("message")
    whole = code if isinstance(code, int) and not isinstance(code, bool) else 0
    return MiRefused(whole, str(message)[:_MAX_MESSAGE])


def too_large() -> CollectError:
    """Return the failure of a reply over MAX_REPLY_BYTES."""
    return CollectError(CollectFailure.TOO_LARGE, f"the reply is over {MAX_REPLY_BYTES // 1024 // 1024} MiB")
