"""The server's and the driver's ways to fail, into our closed list of reasons."""

import socket
import ssl
import struct
from typing import Final

import asyncmy.errors

from dialtone.model import CollectError, CollectFailure

SYNTAX_ERROR: Final = 1064
NO_PRIVILEGE: Final = frozenset({1044, 1142, 1143, 1227})
NO_SUCH_TABLE: Final = frozenset({1049, 1054, 1146})

_MOST: Final = 300

# What a server says before it hangs up: it goes down, somebody killed the connection (MariaDB), it was idle
# for too long (MySQL from 8.0.24).
_GOODBYES: Final = frozenset({1053, 1927, 4031})

# Numbers below 2000 and above 3000 are the server's, 2000 to 2999 the client's own
# (MySQL 8.4 Error Message Reference; MariaDB KB, Error Codes).
_BY_CODE: Final = {
    1045: CollectFailure.AUTH,  # access denied (using password: YES)
    1130: CollectFailure.AUTH,  # this host is not allowed to connect
    1698: CollectFailure.AUTH,  # access denied by an authentication plugin
    1820: CollectFailure.AUTH,  # the password has expired
    1862: CollectFailure.AUTH,
    2059: CollectFailure.AUTH,  # the server asks for an authentication that we refuse
    3118: CollectFailure.AUTH,  # the account is locked (MySQL)
    4151: CollectFailure.AUTH,  # the account is locked (MariaDB)
    **dict.fromkeys(NO_PRIVILEGE, CollectFailure.DENIED),
    1969: CollectFailure.SERVER,  # max_statement_time (MariaDB): who says so isn't silent
    3024: CollectFailure.SERVER,  # max_execution_time (MySQL)
    **dict.fromkeys(_GOODBYES, CollectFailure.CONNECT),
    2003: CollectFailure.CONNECT,
    2006: CollectFailure.CONNECT,  # server has gone away
    2013: CollectFailure.CONNECT,  # lost connection
    2014: CollectFailure.PROTOCOL,  # commands out of sync
    3159: CollectFailure.TLS,  # require_secure_transport is on
}
_BY_CAUSE: Final = (
    (socket.gaierror, CollectFailure.DNS),
    (ssl.SSLError, CollectFailure.TLS),
    (TimeoutError, CollectFailure.TIMEOUT),
)
GARBAGE: Final = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    BufferError,
    LookupError,
    RuntimeError,
    TypeError,
    ValueError,
    struct.error,
)
"""What the driver lets out when a server doesn't speak the protocol; it doesn't check what it parses."""


class RefusedError(CollectError):
    """The server understood a statement and said no; `code` is its number. The session goes on."""

    def __init__(self, failure: CollectFailure, detail: str, code: int) -> None:
        super().__init__(failure, detail)
        self.code = code


def translated(error: asyncmy.errors.MySQLError, where: str, grants: str) -> CollectError:
    """Return what a driver's exception means: a RefusedError when the server answered a statement with no.

    `grants` is what an account needs for what we ask.
    """
    code = error.args[0] if error.args and isinstance(error.args[0], int) else 0
    text = one_line(str(error.args[1])) if len(error.args) > 1 else type(error).__name__
    cause = error.__cause__
    failure = next((f for kind, f in _BY_CAUSE if isinstance(cause, kind)), None) or _by_code(code)
    detail = f"{where}: {text}" if code < 1000 else f"{where}: error {code}: {text}"
    if failure is CollectFailure.DENIED:
        detail += f" (grant {grants})"
    if code >= 1000 and not 2000 <= code < 3000 and code not in _GOODBYES:
        return RefusedError(failure, detail, code)
    return CollectError(failure, detail)


def _by_code(code: int) -> CollectFailure:
    # The driver's own complaints about the stream carry no number, or 0.
    return _BY_CODE.get(code, CollectFailure.SERVER if code >= 1000 else CollectFailure.PROTOCOL)


def one_line(text: str) -> str:
    """Return a server's text as one printable line of at most 300 characters."""
    line = " ".join("".join(c if c.isprintable() else " " for c in text[: 2 * _MOST]).split())
    return line if len(line) <= _MOST else line[: _MOST - 1] + "…"
