"""Digest authentication of requests (RFC 3261 section 22, RFC 8760 for algorithms beyond MD5)."""

from typing import Any, Final

from dialtone.model import Account, FailureCode
from synthetic.agents.intake import as_bytes
from synthetic.agents.siplib import SipHeader
from synthetic.probes.base import FlowError
from synthetic.probes.refusals import refused_again

MAX_ROUNDS: Final = 4
"""Challenges that one request may meet: two servers' on its way, and each once more with a fresh nonce."""

_HEADERS: Final = {
    401: ("www-authenticate", "authorization"),
    407: ("proxy-authenticate", "proxy-authorization"),
}


_ALGORITHMS: Final = {
    name.lower(): name for base in ("MD5", "SHA-256", "SHA-512-256") for name in (base, f"{base}-sess")
}
"""RFC 7616 and RFC 8760, by the token in lower case: tokens have none of their own (RFC 3261 25.1)."""


class DigestAnswers:
    """What one request has answered so far; another challenge of the same realm means a refused password."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self._answered: set[tuple[int, str]] = set()
        self._rounds = 0

    @property
    def given(self) -> bool:
        """Whether the request carries credentials."""
        return bool(self._answered)

    def answer(self, request: Any, response: Any) -> None:
        """Put the answer to a 401 or 407 into the request. Raises FlowError with `auth`.

        A challenge that says stale=true (RFC 7616 3.3) only wants a fresh nonce and is answered again.
        """
        status = response.getSCode()[0]
        challenge_name, answer_name = _HEADERS[status]
        self._rounds += 1
        challenge, qop = self._choose(response, challenge_name, status)
        realm, user = challenge.realm, self._account.auth_user
        seen = (status, realm) in self._answered
        if self._rounds > MAX_ROUNDS or (seen and not _stale(challenge)):
            raise _refused(status, qop)
        self._answered.add((status, realm))
        challenge.realm = _as_text(realm)
        body = request.getBody()
        written = challenge.algorithm
        challenge.algorithm = None if written is None else _ALGORITHMS[written.lower()]
        answer = challenge.genAuthHF(
            user,
            self._account.password.reveal(),
            request.getMethod(),
            str(request.getRURI()),
            None if body is None else str(body),
            qop,
        )
        answer.username, answer.realm, answer.algorithm = _as_wire(user), realm, written
        # Each proxy on the way has a realm of its own and wants its own answer (RFC 3261 22.3).
        others = [header for header in request.getHFs(answer_name) if header.getBody().realm != realm]
        request.delHFs(answer_name)
        request.appendHeaders([*others, SipHeader(name=answer_name, body=answer)])

    def _choose(self, response: Any, name: str, status: int) -> tuple[Any, str | None]:
        """Return the first challenge that we can answer: they come by preference (RFC 8760 2.4)."""
        seen = []
        for header in response.getHFs(name):
            raw = str(header.body)
            if raw[:7].lower() != "digest ":
                seen.append(raw.split(" ", 1)[0][:20])
                continue
            try:
                challenge = header.getBody()
            except (ValueError, IndexError):
                seen.append("one that can't be read")
                continue
            supported, qop = _supported(challenge)
            if supported and qop is not None and "auth" in challenge.qop:
                qop = "auth"  # auth-int breaks where a body is rewritten on its way
            if supported and challenge.realm is not None and challenge.nonce is not None:
                return challenge, qop
            seen.append(_described(challenge))
        what = f"only {', '.join(seen)}" if seen else "no challenge"
        raise FlowError(FailureCode.AUTH, f"the {status} offers {what}, nothing that can be answered", status)


def _supported(challenge: Any) -> tuple[bool, str | None]:
    """Return whether sippy can answer it, and with which qop."""
    written = challenge.algorithm
    if written is None:
        return challenge.supportedAlgorithm()  # type: ignore[no-any-return]  # sippy is untyped
    challenge.algorithm = _ALGORITHMS.get(written.lower(), written)
    try:
        return challenge.supportedAlgorithm()  # type: ignore[no-any-return]
    finally:
        challenge.algorithm = written


def _described(challenge: Any) -> str:
    qop = f" with qop {','.join(challenge.qop)}" if challenge.qop else ""
    return f"{challenge.algorithm or 'MD5'}{qop}"[:40]


def _refused(status: int, qop: str | None) -> FlowError:
    error = refused_again(status)
    if qop == "auth-int":  # the answer is over the body too: whoever rewrites a description breaks it
        said = f"{error.detail}, or the body was changed on its way: the server offers qop auth-int alone"
        return FlowError(error.code, said, status)
    return error


def _stale(challenge: Any) -> bool:
    return any(name.lower() == "stale" and value.lower() == "true" for name, value in challenge.otherparams)


def _as_text(wire: str) -> str:
    """Return what the characters of the wire mean: there a character stands for a byte (see transport)."""
    return as_bytes(wire).decode("utf-8", "replace")


def _as_wire(text: str) -> str:
    return text.encode("utf-8").decode("latin-1")
