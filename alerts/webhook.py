"""Sends alerts to an HTTP address, in Alertmanager's webhook form."""

import os
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Final

import aiohttp

from alerts.delivery import AskedToWaitError
from alerts.payload import AlertWriter
from dialtone import __version__
from dialtone.model import AlertMessage, Secret
from dialtone.ports import DeliveryError
from dialtone.runtime.apart import apart

_PASSING_4XX: Final = frozenset(
    {
        HTTPStatus.REQUEST_TIMEOUT,
        # What a repetition gets while the receiver is still at the first try of the same key
        # (draft-ietf-httpapi-idempotency-key-header).
        HTTPStatus.CONFLICT,
        HTTPStatus.TOO_EARLY,
        HTTPStatus.TOO_MANY_REQUESTS,
    }
)
_MAY_ASK_TO_WAIT: Final = frozenset({HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE})

_BROKEN: Final[tuple[tuple[type[Exception], str], ...]] = (
    (aiohttp.ClientConnectorCertificateError, "its certificate is not accepted"),
    (aiohttp.ClientSSLError, "it does not speak TLS with us"),
    (aiohttp.ServerDisconnectedError, "it closed the connection without an answer"),
    (aiohttp.ClientResponseError, "its answer is malformed or too large"),
)
"""Troubles of an exchange in our words; an exception's own text may hold the URL."""


class WebhookNotifier:
    """One receiver's address.

    The URL is a Secret because chat services put their key into its path: no error or log shows it.
    The answer's status decides; its body is never read and a redirect never followed, so a hostile
    receiver can neither fill our memory nor send the alert, or us, somewhere else.
    `timeout` is for the whole exchange, in seconds, however the answer drips in.
    """

    def __init__(self, name: str, url: Secret, writer: AlertWriter, *, timeout: float = 5.0) -> None:
        self._name = name
        self._url = url
        self._writer = writer
        self._timeout = timeout

    async def send(self, message: AlertMessage) -> None:
        """POST one message, with its key as `Idempotency-Key`: a receiver can tell a repetition by it.

        Source: draft-ietf-httpapi-idempotency-key-header; the key is sent bare, as the services that
        had the field before the draft take it. Raises DeliveryError: permanent where the receiver
        refuses the message (most of 4xx), AskedToWaitError where it says when to come again.
        """
        # Apart, or a receiver that floods us with answers would keep the service from everything else.
        status, headers = await apart(lambda: self._post(message), name="webhook")
        if 200 <= status < 300:
            return
        words = f"the receiver answered {_named(status)}"
        asked = retry_after(headers) if status in _MAY_ASK_TO_WAIT else None
        if asked is not None:
            raise AskedToWaitError(words, seconds=asked)
        raise DeliveryError(words, permanent=400 <= status < 500 and status not in _PASSING_4XX)

    async def _post(self, message: AlertMessage) -> tuple[int, Mapping[str, str]]:
        # A connection per message: alerts are rare, and a kept one would be stale by the next.
        deadline = aiohttp.ClientTimeout(total=self._timeout)
        ours = {"User-Agent": f"dialtone/{__version__}", "Idempotency-Key": message.key}
        body = self._writer.message(self._name, message.events)
        try:
            async with (
                aiohttp.ClientSession(timeout=deadline, headers=ours, auto_decompress=False) as session,
                session.post(self._url.reveal(), json=body, allow_redirects=False) as answer,
            ):
                return answer.status, answer.headers
        except TimeoutError:
            raise DeliveryError(f"no answer within {self._timeout:g} s", permanent=False) from None
        except (aiohttp.InvalidURL, aiohttp.NonHttpUrlClientError):
            raise DeliveryError("its address is not an http or https URL", permanent=True) from None
        except (aiohttp.ClientError, OSError) as error:
            raise DeliveryError(_trouble(error), permanent=False) from None


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Return in how many seconds the receiver wants the next try; None where it does not say.

    It says so in seconds or as a date (RFC 9110, 10.2.3). A date is measured against the `Date` of the
    same answer, so that it does not matter whether the receiver's clock agrees with ours.
    """
    text = headers.get("Retry-After", "").strip()
    if text.isascii() and text.isdigit():
        return float(text)
    until, now = _date(text), _date(headers.get("Date", ""))
    return None if until is None or now is None else max(0.0, (until - now).total_seconds())


def _date(text: str) -> datetime | None:
    try:
        found = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)


def _trouble(error: Exception) -> str:
    for kind, words in _BROKEN:
        if isinstance(error, kind):
            return words
    cause = getattr(error, "os_error", error)
    if not isinstance(cause, OSError):
        return f"the exchange broke off ({type(error).__name__})"
    # asyncio puts addresses into the text of an error; getaddrinfo's own numbers are negative.
    system = os.strerror(cause.errno) if cause.errno is not None and cause.errno > 0 else cause.strerror
    if isinstance(error, aiohttp.ClientConnectorError):
        return f"no connection ({system or 'its name is not known'})"
    return f"the connection broke ({system or type(error).__name__})"


def _named(status: int) -> str:
    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return str(status)
