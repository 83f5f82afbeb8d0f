"""What aiohttp raises -> a failure of the closed list, in words that repeat no URL."""

import errno
import os
from typing import Final

import aiohttp
from aiohttp import http_exceptions

from dialtone.model import FailureCode
from synthetic.agents.tls import why_not
from synthetic.http.connection import Progress
from synthetic.probes.base import FlowError

_OURS: Final = frozenset(
    {
        *(errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS, errno.EADDRNOTAVAIL),
        *(errno.ENETUNREACH, errno.EACCES, errno.EPERM),
    }
)
"""What the kernel says of our own machine: no file, memory, port or route left, a packet filter of ours."""

_BROKEN_OFF: Final = (ConnectionResetError, ConnectionAbortedError, BrokenPipeError)
"""What ends a connection that was established: while connecting, that is the TLS handshake."""


def failure_of(error: Exception, progress: Progress, place: str, name: str) -> FlowError | None:
    """Return what an error means; None for one that is a mistake of ours.

    `place` is the host and port that were asked, `name` what the certificate must say.
    """
    if progress.flooded:
        return FlowError(FailureCode.UNEXPECTED_MESSAGE, f"{place}: {progress.flooded}")
    for kind, make in _KINDS:
        if isinstance(error, kind):
            code, words = make(error, name)
            return FlowError(code, f"{place}: {words}")
    return None


def _tls(error: Exception, name: str) -> tuple[FailureCode, str]:
    return FailureCode.TLS, why_not(_cause(error), name)


def _connect(error: Exception, name: str) -> tuple[FailureCode, str]:
    cause = _cause(error)
    if isinstance(cause, _BROKEN_OFF):
        return _tls(cause, name)
    number = cause.errno if isinstance(cause, OSError) else None
    words = os.strerror(number) if number else "no address of it takes a connection"
    return FailureCode.NO_PORT if number in _OURS else FailureCode.CONNECT, words.lower()


def _cause(error: Exception) -> Exception:
    """Return what aiohttp has wrapped."""
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return error.certificate_error
    return error.os_error if isinstance(error, aiohttp.ClientConnectorError) else error


def _dropped(_: Exception, __: str) -> tuple[FailureCode, str]:
    return FailureCode.CONNECT, "the connection was closed before an answer came"


def _cut_short(_: Exception, __: str) -> tuple[FailureCode, str]:
    return FailureCode.HTTP_CONTENT, "the answer breaks off"


def _garbage(_: Exception, __: str) -> tuple[FailureCode, str]:
    return FailureCode.UNEXPECTED_MESSAGE, "what came is no HTTP answer, or its head is far too long"


def _bad_name(_: Exception, name: str) -> tuple[FailureCode, str]:
    return FailureCode.MISCONFIGURED, f"{name!r} is no name that a server could have"


_KINDS: Final = (
    (aiohttp.ClientSSLError, _tls),
    (aiohttp.ClientConnectorDNSError, lambda *_: (FailureCode.DNS, "the name has no address")),
    (aiohttp.ClientConnectorError, _connect),
    (aiohttp.ClientPayloadError, _cut_short),
    (aiohttp.ClientResponseError, _garbage),
    (http_exceptions.HttpProcessingError, _garbage),
    (aiohttp.ServerDisconnectedError, _dropped),
    (aiohttp.ClientOSError, _dropped),
    (aiohttp.InvalidURL, _bad_name),
    (UnicodeError, _bad_name),
)
"""The more special before the more general."""
