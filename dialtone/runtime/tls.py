"""TLS as a client: whom we trust, and in words why we did not."""

import asyncio
import ssl
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from dialtone.model import TlsPlan

_MEND_CA: Final = "put the CA's certificate into a file and write tls: {ca: FILE}"
_WRONG_NAME: Final = (62, 64)
_REASONS: Final[Mapping[int, str]] = {
    9: "its certificate is not valid yet",
    10: "its certificate has expired",
    18: "its certificate is self-signed, by nobody that is trusted here: put it into a file and write "
    "tls: {ca: FILE}",
    19: f"its certificate comes from an unknown CA: {_MEND_CA}",
    20: f"its certificate comes from an unknown CA: {_MEND_CA}",
    21: "its certificate comes from an unknown CA, or it does not send the certificates in between: "
    f"{_MEND_CA}",
    23: "its certificate has been revoked",
    26: "its certificate is not meant for a server",
    62: "its certificate is for another name (wrong name)",
    64: "its certificate is for another address (wrong name)",
}
"""What the codes of X509_verify_cert_error_string(3) mean to whoever has to mend it."""
_HANDSHAKES: Final[Mapping[str, str]] = {
    "WRONG_VERSION_NUMBER": "what answers there does not speak TLS",
    "UNSUPPORTED_PROTOCOL": "it speaks no TLS newer than 1.1",
    "TLSV1_ALERT_PROTOCOL_VERSION": "it refuses our versions of TLS (1.2 and 1.3)",
    "SSLV3_ALERT_HANDSHAKE_FAILURE": "it refuses our ciphers, or wants a certificate of ours",
    "TLSV13_ALERT_CERTIFICATE_REQUIRED": "it wants a certificate of ours; there is none",
}


_ASK_AGAIN: Final = 1.0
_MOST_NAMES: Final = 5
_LONGEST_NAME: Final = 64


class TrustError(Exception):
    """The file of trusted certificates can't be used; the text says which and why."""


def client_context(plan: TlsPlan, *, by_name: bool = True) -> ssl.SSLContext:
    """Return how we speak TLS by a plan. Blocks: it reads certificates. Raises TrustError.

    Without `by_name` a certificate of somebody trusted is enough, whatever names it has.
    """
    file = plan.ca or ssl.get_default_verify_paths().openssl_cafile
    try:
        stamp = Path(file).stat().st_mtime_ns if plan.ca or Path(file).exists() else 0
        return _context(plan.ca, plan.verify, by_name, stamp)
    except ssl.SSLError:
        raise TrustError(f"{plan.ca} holds no certificate (PEM)") from None
    except OSError as error:
        raise TrustError(f"{file}: {error.strerror}") from None


@lru_cache(maxsize=16)
def _context(ca: str | None, verify: bool, by_name: bool, _stamp: int) -> ssl.SSLContext:
    """Return a context, the same for the same file: reading the system's certificates takes 20 ms."""
    context = ssl.create_default_context(cafile=ca)
    # Python 3.13 begins to refuse what RFC 5280 wants of a CA and private ones leave out (an authority key
    # identifier); no phone does.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    context.check_hostname = verify and by_name
    if not verify:
        context.verify_mode = ssl.CERT_NONE
    return context


def why_not(error: Exception, name: str, names: Sequence[str] | None = None) -> str:
    """Return in words why a handshake with a server failed that should be `name`.

    `names` are those of its certificate, where they are known.
    """
    if isinstance(error, ssl.SSLCertVerificationError):
        reason = _REASONS.get(error.verify_code, error.verify_message)
        if error.verify_code not in _WRONG_NAME:
            return reason
        return f"{reason}; expected {name}{_whose_instead(names)}"
    if isinstance(error, ssl.SSLError):
        return _HANDSHAKES.get(error.reason or "", f"the handshake failed: {error.reason or error}")
    if isinstance(error, ValueError):
        return f"{name!r} is no name that a certificate could be for"
    if isinstance(error, ConnectionAbortedError):  # asyncio's word for ssl_handshake_timeout
        return "the handshake was not finished in time"
    return "the other side broke off the handshake"


def _whose_instead(names: Sequence[str] | None) -> str:
    if names is None:
        return ": if it is the right server, write tls: {name: NAME}"
    if not names:
        return "; it has no name at all (subjectAltName) that could fit: give the server another one"
    more = f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else ""
    listed = ", ".join(name[:_LONGEST_NAME] for name in names[:_MOST_NAMES])
    return f": if it is the right server, write tls: {{name: NAME}}; the certificate is for {listed}{more}"


async def why_not_there(error: Exception, name: str, place: tuple[str, int], plan: TlsPlan) -> str:
    """Return the same words, with a wrong certificate's names: `place` (host and port) is asked for them.

    That is a handshake of its own, in which all but the name is verified, within a second; nothing is sent.
    """
    wrong_name = isinstance(error, ssl.SSLCertVerificationError) and error.verify_code in _WRONG_NAME
    return why_not(error, name, await _names(place, name, plan) if wrong_name else None)


async def _names(place: tuple[str, int], name: str, plan: TlsPlan) -> Sequence[str] | None:
    """Return for whom a server's certificate is, printable; None where that can't be learnt."""
    try:
        async with asyncio.timeout(_ASK_AGAIN):
            context = await asyncio.to_thread(client_context, plan, by_name=False)
            transport, _ = await asyncio.get_running_loop().create_connection(
                asyncio.Protocol, *place, ssl=context, server_hostname=name
            )
    except (OSError, ValueError, TrustError):
        return None
    certificate = transport.get_extra_info("peercert") or {}
    transport.abort()
    return names_in(certificate)


def names_in(certificate: Mapping[str, Any]) -> Sequence[str]:
    """Return for whom a certificate is (as SSLSocket.getpeercert() has it), those that are printable."""
    named = (value for kind, value in certificate.get("subjectAltName", ()) if kind in ("DNS", "IP Address"))
    return tuple(value for value in named if value.isprintable())
