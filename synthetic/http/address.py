"""What a probe asks for: a URL whose `{tenant}` is filled in, and where its redirects may lead."""

import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote

from yarl import URL

from synthetic.address import hostport

TENANT: Final = "{tenant}"
_SCHEMES: Final = ("http", "https")
_WRITTEN: Final = re.compile(r"[!#$%&'()*+,./0-9:;=?@A-Z\[\]_a-z~-]*")
"""What a URL is made of (RFC 3986)."""


@dataclass(frozen=True, slots=True)
class WebAddress:
    """A URL of the web, without credentials."""

    url: URL

    @property
    def secure(self) -> bool:
        """Whether it is asked over TLS."""
        return self.url.scheme == "https"

    @property
    def place(self) -> str:
        """The host and port, for words about it."""
        return hostport((self.url.host or "", self.url.port or 0))


def web_address(target: str, tenant: str) -> WebAddress:
    """Return what a target means for a tenant. Raises ValueError, in words that repeat no secret.

    Credentials are refused: whoever reads a configuration would read them.
    """
    try:
        url = _as_written(target.replace(TENANT, quote(tenant, safe="")))
        host, port = url.host, url.port
    except ValueError:
        raise ValueError("the target is no URL; write https://HOST/PATH") from None
    if url.scheme not in _SCHEMES or not host or not port:
        raise ValueError("the target is no URL of the web; write https://HOST/PATH")
    if url.user is not None or url.password is not None:
        raise ValueError("the target names a user; write https://HOST/PATH")
    return WebAddress(url.with_fragment(None))


def redirect(url: URL, location: str) -> URL | None:
    """Return where a redirect leads; None where that is another origin (RFC 6454) or no URL at all.

    Another origin is another server: that it works would say nothing about the one that was asked, and it
    would be told what is in the URL.
    """
    try:
        there = url.join(_as_written(location)).with_fragment(None)
        same = (there.scheme, there.host, there.port) == (url.scheme, url.host, url.port)
    except (ValueError, TypeError):
        return None
    return there.with_user(None) if same else None


def _as_written(text: str) -> URL:
    """Return a URL exactly as it is written, unless it has characters that no URL has."""
    return URL(text, encoded=_WRITTEN.fullmatch(text) is not None)
