"""TLS as a client: whom we trust, and in words why we did not."""

import ssl
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Final

from dialtone.model import TlsPlan

_REASONS: Final[Mapping[int, str]] = {
    9: "its certificate is not valid yet",
    10: "its certificate has expired",
    18: "its certificate is self-signed, by nobody that is trusted here",
    19: "its certificate comes from an unknown CA",
    20: "its certificate comes from an unknown CA",
    21: "its certificate comes from an unknown CA, or it does not send the certificates in between",
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


class TrustError(Exception):
    """The file of trusted certificates can't be used; the text says which and why."""


def client_context(plan: TlsPlan) -> ssl.SSLContext:
    """Return how we speak TLS by a plan. Blocks: it reads certificates. Raises TrustError."""
    file = plan.ca or ssl.get_default_verify_paths().openssl_cafile
    try:
        stamp = Path(file).stat().st_mtime_ns if plan.ca or Path(file).exists() else 0
        return _context(plan.ca, plan.verify, stamp)
    except ssl.SSLError:
        raise TrustError(f"{plan.ca} holds no certificate (PEM)") from None
    except OSError as error:
        raise TrustError(f"{file}: {error.strerror}") from None


@lru_cache(maxsize=16)
def _context(ca: str | None, verify: bool, _stamp: int) -> ssl.SSLContext:
    """Return a context, the same for the same file: reading the system's certificates takes 20 ms."""
    context = ssl.create_default_context(cafile=ca)
    # Python 3.13 begins to refuse what RFC 5280 wants of a CA and private ones leave out (an authority key
    # identifier); no phone does.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def why_not(error: Exception, name: str) -> str:
    """Return in words why a handshake with a server failed that should be `name`."""
    if isinstance(error, ssl.SSLCertVerificationError):
        reason = _REASONS.get(error.verify_code, error.verify_message)
        return f"{reason}; expected {name}" if error.verify_code in (62, 64) else reason
    if isinstance(error, ssl.SSLError):
        return _HANDSHAKES.get(error.reason or "", f"the handshake failed: {error.reason or error}")
    if isinstance(error, ValueError):
        return f"{name!r} is no name that a certificate could be for"
    if isinstance(error, ConnectionAbortedError):  # asyncio's word for ssl_handshake_timeout
        return "the handshake was not finished in time"
    return "the other side broke off the handshake"
