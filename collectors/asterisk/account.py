"""A user of Asterisk's manager: what shows that we know its password, and what its refusal means."""

import hashlib
from collections.abc import Mapping

from dialtone.model import CollectError, CollectFailure, Secret
from dialtone.ports import Clock


class Account:
    """A user and its password at one server.

    For `deadline` seconds after a refusal nothing is tried: whatever one poll asks, it fails to log in once.
    """

    def __init__(self, where: str, username: str, secret: Secret, clock: Clock, deadline: float) -> None:
        self._where, self._username, self._secret = where, username, secret
        self._clock, self._deadline = clock, deadline
        self._refused: tuple[float, CollectError] | None = None

    def check(self) -> None:
        """Raise the refusal of just now, if there was one."""
        if self._refused is not None and self._clock.monotonic() < self._refused[0]:
            raise self._refused[1]

    def proof(self, challenge: str) -> Mapping[str, str]:
        """Return what a login says where the server gave a challenge; the password stays here."""
        # MD5 is what the protocol asks for (Login, AuthType: MD5).
        key = hashlib.md5((challenge + self._secret.reveal()).encode(), usedforsecurity=False).hexdigest()
        return {"Username": self._username, "AuthType": "MD5", "Key": key}

    def password(self) -> Mapping[str, str]:
        """Return what a login says to a server that we trust with the password."""
        return {"Username": self._username, "Secret": self._secret.reveal()}

    def accepted(self) -> None:
        """Forget the last refusal."""
        self._refused = None

    def refused(self) -> CollectError:
        """Return what it means that the server refused the login."""
        # A wrong password, an unknown user and an address that isn't permitted get the same words.
        return self.in_vain(
            f"{self._where} refused user {self._username}: wrong password, no such user in manager.conf, "
            "or its permit= excludes this machine"
        )

    def in_vain(self, detail: str) -> CollectError:
        """Return why this user can't be logged in; check() raises it for the time being."""
        error = CollectError(CollectFailure.AUTH, detail)
        self._refused = self._clock.monotonic() + self._deadline, error
        return error
