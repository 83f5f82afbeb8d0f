"""Sends alerts to an HTTP address, in Alertmanager's webhook form."""

import os
from collections.abc import Sequence
from http import HTTPStatus
from typing import Final

import aiohttp

from alerts.payload import AlertWriter
from dialtone import __version__
from dialtone.model import AlertEvent, Secret
from dialtone.ports import DeliveryError

_RETRY_4XX: Final = frozenset({HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS})


class WebhookNotifier:
    """One receiver's address.

    The URL is a Secret because chat services put their key into its path: no error or log shows it.
    The answer's status decides; its body is never read and a redirect never followed, so a hostile
    receiver can neither fill our memory nor send the alert, or us, somewhere else.
    `timeout` is for the whole exchange, in seconds.
    """

    def __init__(self, name: str, url: Secret, writer: AlertWriter, *, timeout: float = 5.0) -> None:
        self._name = name
        self._url = url
        self._writer = writer
        self._timeout = timeout

    async def send(self, events: Sequence[AlertEvent]) -> None:
        """POST one message. Raises DeliveryError: permanent where the receiver refuses it (4xx)."""
        status = await self._post(self._writer.message(self._name, events))
        if 200 <= status < 300:
            return
        permanent = 400 <= status < 500 and status not in _RETRY_4XX
        raise DeliveryError(f"the receiver answered {_named(status)}", permanent=permanent)

    async def _post(self, message: dict[str, object]) -> int:
        # A connection per message: alerts are rare, and a kept one would be stale by the next.
        deadline = aiohttp.ClientTimeout(total=self._timeout)
        agent = {"User-Agent": f"dialtone/{__version__}"}
        try:
            async with (
                aiohttp.ClientSession(timeout=deadline, headers=agent) as session,
                session.post(self._url.reveal(), json=message, allow_redirects=False) as answer,
            ):
                return answer.status
        except TimeoutError:
            raise DeliveryError(f"no answer within {self._timeout:g} s", permanent=False) from None
        except (aiohttp.InvalidURL, aiohttp.NonHttpUrlClientError):
            raise DeliveryError("its address is not an http or https URL", permanent=True) from None
        except (aiohttp.ClientError, OSError) as error:
            # The exception's text may hold the URL; its kind does not.
            raise DeliveryError(_trouble(error), permanent=False) from None


def _trouble(error: Exception) -> str:
    cause = getattr(error, "os_error", error)
    if not isinstance(cause, OSError):
        return f"the exchange broke off ({type(error).__name__})"
    # asyncio puts addresses into the text of an error; getaddrinfo's own numbers are negative.
    if cause.errno is not None and cause.errno > 0:
        return f"no connection ({os.strerror(cause.errno)})"
    return f"no connection ({cause.strerror or 'its name is not known'})"


def _named(status: int) -> str:
    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return str(status)
