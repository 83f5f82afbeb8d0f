"""Addresses as a configuration writes them: where we listen, whom we ask, whom we call.

As in values.py, each function raises ValueError with words for a person, and none repeats a value
that could hold a password.
"""

import ipaddress
import os
import re
import socket
from collections.abc import Sequence
from contextlib import suppress
from typing import Final
from urllib.parse import SplitResult, unquote, urlsplit

from dialtone.config.problem import quote
from dialtone.config.settings import Listen
from dialtone.config.values import text
from dialtone.model import normalise_domain

_SIP_TARGET: Final = re.compile(
    r"(?P<scheme>sips?):(?P<host>\[[0-9A-Fa-f:.]{2,45}\]|[A-Za-z0-9._-]{1,253})(?::(?P<port>[0-9]{1,5}))?"
    r"(?P<parameters>(?:;[A-Za-z0-9=._-]{1,64}){0,8})",
    re.IGNORECASE,
)
_TRANSPORTS: Final = ("udp", "tcp", "tls")
TENANT: Final = "{tenant}"
"""What stands in a target for the domain of the tenant that is probed."""
_URL_MAX: Final = 2000
"""The keys of webhook addresses alone are some 200 characters long."""
_PATH_MAX: Final = 107
"""Bytes that the path of a UNIX socket may have (unix(7))."""
_LOOPBACK: Final = "127.0.0.1"
_MANAGER_PORTS: Final = {"tcp": 5038, "tls": 5039, "http": 80, "https": 443}
_RAWMAN: Final = "rawman"
"""The door of an Asterisk's manager that is read; others give HTML, XML, or want digest authentication."""
_DATABASE: Final = re.compile(r"[A-Za-z0-9_$-]{1,64}")
_REPLIES: Final = re.compile(r"replies=/[^?&=]{0,200}")
_MOVE_IT: Final = "holds a password; take it out and write `password: {file: PATH}` or `{env: NAME}`"
_DROP_IT: Final = "holds a password, which is not supported here; take it out"


def listen(raw: object) -> Listen:
    """Return host and port from `127.0.0.1:9876` or `[::1]:9876`."""
    found = text(raw)
    host, colon, port = found.rpartition(":")
    bare = host.removeprefix("[").removesuffix("]") if host.startswith("[") else host
    if not colon or not port.isascii() or not port.isdigit() or len(port) > 5 or int(port) > 65535:
        raise ValueError(f"{quote(found)} is not an address; write HOST:PORT like 127.0.0.1:9876")
    if not bare:
        raise ValueError(f"{quote(found)} names no host; write 127.0.0.1{found}, or 0.0.0.0{found} for all")
    if ":" in host and not _is_ipv6(host):
        raise ValueError(
            f"{quote(found)} is not an address; an IPv6 address stands in brackets: [::1]:{port}"
        )
    if not _is_ipv6(host):
        bare = normalise_domain(bare)
    return Listen(bare, int(port))


def _is_ipv6(host: str) -> bool:
    if not (host.startswith("[") and host.endswith("]")):
        return False
    try:
        ipaddress.IPv6Address(host[1:-1])
    except ValueError:
        return False
    return True


def is_loopback(host: str) -> bool:
    """Whether nobody but this machine can reach an address; a name other than localhost may lead anywhere."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def http_url(raw: object) -> str:
    """Return an http or https URL without credentials, query or fragment."""
    url = _url(raw, ("http", "https"), "http://HOST:PORT/PATH")
    if url.query or url.fragment:
        raise ValueError("must end with the path; take the ? and # parts out")
    return url.geturl()


def mi_url(raw: object) -> str:
    """Return where an OpenSIPS is asked: http(s)://HOST:PORT/PATH, udp://HOST:PORT, unix:///PATH, fifo:///PATH.

    After a FIFO's path `?replies=/FOLDER` may follow: mi_fifo's reply_dir, where that is not /tmp.
    """
    found = text(raw, most=_URL_MAX)
    scheme = found.partition("://")[0].lower()
    if scheme in ("unix", "fifo"):
        return _file_url(found, scheme)
    if scheme == "udp":
        url = _url(raw, ("udp",), "udp://HOST:PORT")
        if url.port is None:
            raise ValueError("names no port; write udp://HOST:PORT")
        return _server(url, url.port)
    if scheme not in ("http", "https"):
        raise ValueError(
            "must start with http://, https://, udp://, unix:// or fifo://; write http://HOST:PORT/mi"
        )
    return http_url(raw)


def _file_url(found: str, scheme: str) -> str:
    url = urlsplit(found)
    if url.netloc or not url.path.startswith("/") or url.path.endswith("/") or url.fragment:
        raise ValueError(f"must name a file by its whole path; write {scheme}:///PATH, with three slashes")
    if len(url.path.encode()) > _PATH_MAX:
        raise ValueError(f"its path is over {_PATH_MAX} bytes")
    if url.query and not (scheme == "fifo" and _REPLIES.fullmatch(url.query)):
        raise ValueError("after ? may only stand replies=/FOLDER, after a fifo; take the rest out")
    return found


def webhook_url(raw: object) -> str:
    """Return an http or https URL without credentials; a query is often a webhook's key and stays."""
    return _url(raw, ("http", "https"), "http://HOST:PORT/PATH", mend=_DROP_IT).geturl()


def external_url(raw: object) -> str:
    """Return the http or https URL at which people reach the pages, without a slash at its end."""
    url = _url(raw, ("http", "https"), "https://HOST/PATH", mend=_DROP_IT)
    if url.query or url.fragment:
        raise ValueError("must end with the path; take the ? and # parts out")
    return url.geturl().rstrip("/")


def ami_url(raw: object) -> str:
    """Return where an Asterisk's manager is: tcp:// or tls://HOST:PORT, http:// or https://HOST:PORT/PATH.

    The port is 5038 (tls: 5039) unless given, of AJAM that of the web. The path is that of rawman, and
    /rawman where there is none.
    """
    url = _url(raw, tuple(_MANAGER_PORTS), "tcp://HOST:5038")
    if url.scheme in ("tcp", "tls"):
        return _server(url, _MANAGER_PORTS[url.scheme])
    if url.query or url.fragment:
        raise ValueError("must end with the path; take the ? and # parts out")
    path = url.path.rstrip("/") or f"/{_RAWMAN}"
    if path.rpartition("/")[2] != _RAWMAN:
        raise ValueError(
            f"must lead to rawman; write {url.scheme}://HOST:PORT/rawman, where http.conf has a prefix "
            f"{url.scheme}://HOST:PORT/PREFIX/rawman"
        )
    return f"{_server(url._replace(path=''), _MANAGER_PORTS[url.scheme])}{path}"


def _server(url: SplitResult, port: int) -> str:
    """Return scheme, host and port, refusing what goes beyond them."""
    if url.path not in ("", "/") or url.query or url.fragment:
        raise ValueError("must end with the port; take out what follows it")
    host = f"[{url.hostname}]" if ":" in (url.hostname or "") else url.hostname
    return f"{url.scheme}://{host}:{url.port or port}"


def events_url(raw: object) -> str:
    """Return where an OpenSIPS is to send its events: udp://HOST:PORT of ours, or unix:///PATH."""
    found = text(raw, most=_URL_MAX)
    if found.lower().startswith("unix://"):
        if "," in found:
            raise ValueError("has a comma, at which older servers divide; choose another path")
        return _file_url(found, "unix")
    url = _url(raw, ("udp", "unix"), "udp://HOST:PORT")
    if url.port is None:
        raise ValueError("names no port; write udp://HOST:PORT")
    if ":" in str(url.hostname):
        raise ValueError("is IPv6, over which OpenSIPS sends no events; write udp://HOST:PORT with IPv4")
    if url.hostname == "0.0.0.0":  # noqa: S104 - refused here
        raise ValueError("stands for all our addresses; write the one that the server reaches us at")
    if url.path or url.query or url.fragment:
        raise ValueError("take out what follows the port; write udp://HOST:PORT")
    return _server(url, url.port)


def events_place(url: str) -> str:
    """Return where an address for events leads, so that two of one place are the same text."""
    parts = urlsplit(url)
    if parts.scheme == "unix":
        return f"unix://{os.path.normpath(parts.path)}"
    host = (parts.hostname or "").removesuffix(".")
    if host == "localhost":
        host = _LOOPBACK
    with suppress(OSError):
        host = socket.inet_ntoa(socket.inet_aton(host))  # 127.1 is 127.0.0.1 to every resolver
    return f"udp://{host}:{parts.port}"


class Dsn:
    """Where a MySQL server is and as whom to ask it; never the password."""

    def __init__(self, raw: object) -> None:
        """Take mysql://USER@HOST:PORT; the port is 3306 unless given. Raises ValueError."""
        url = _url(raw, ("mysql",), "mysql://USER@HOST:3306", user=True)
        self.endpoint: Final = _server(url, 3306)
        self.username: Final = unquote(url.username) if url.username else None


class DatabaseDsn:
    """A database of a MySQL server and as whom to read it; never the password."""

    def __init__(self, raw: object) -> None:
        """Take mysql://USER@HOST:PORT/DATABASE; the port is 3306 unless given. Raises ValueError."""
        example = "mysql://USER@HOST:3306/DATABASE"
        url = _url(raw, ("mysql",), example, user=True)
        if not url.username:
            raise ValueError(f"names no user; write {example}")
        self.name: Final = url.path.removeprefix("/")
        if not self.name:
            raise ValueError(f"names no database; write {example}")
        if not _DATABASE.fullmatch(self.name):
            raise ValueError(
                "its database has a name of other characters than letters, digits, '_', '-' and '$', or of "
                f"more than 64; write {example}"
            )
        self.endpoint: Final = _server(url._replace(path=""), 3306)
        self.username: Final = unquote(url.username)


def _url(
    raw: object, schemes: Sequence[str], example: str, *, user: bool = False, mend: str = _MOVE_IT
) -> SplitResult:
    # The URL itself is in no message: somebody may have written a password into it.
    found = text(raw, most=_URL_MAX)
    try:
        url = urlsplit(found)
        url.port  # noqa: B018 - is checked where it is read
    except ValueError:
        raise ValueError(f"is not a URL; write {example}") from None
    if url.scheme not in schemes:
        raise ValueError(f"must start with {' or '.join(f'{word}://' for word in schemes)}; write {example}")
    if url.password is not None:
        raise ValueError(mend)
    if url.username is not None and not user:
        raise ValueError(f"holds a user name; take it out and write {example}")
    if " " in found:
        raise ValueError(f"has a blank in it; write {example}")
    if not url.hostname:
        raise ValueError(f"names no host; write {example}")
    if url.port == 0:
        raise ValueError(f"its port is 0; write {example} with one from 1 to 65535")
    try:
        if ":" not in url.hostname:
            normalise_domain(url.hostname)
    except ValueError:
        raise ValueError(f"its host is not a host name; write {example}") from None
    return url


def sip_target(raw: object) -> str:
    """Return the SIP URI (RFC 3261 19.1) of a server that probes talk to: sip:HOST:PORT;transport=udp.

    Without a port a name is looked up by SRV (RFC 3263). `{tenant}` may stand for the host.
    """
    found = text(raw)
    example = "sip:HOST:5060;transport=udp"
    if "@" in found:
        # Not repeated: a SIP URI may hold a password (RFC 3261 19.1.1).
        raise ValueError(f"names a user; probes use the phones of `accounts:`; write {example}")
    match = _SIP_TARGET.fullmatch(found.replace(TENANT, "tenant.example", 1))
    if match is None or int(match["port"] or 5060) not in range(1, 65536):
        raise ValueError(f"{quote(found)} is not the SIP URI of a server; write {example}")
    if match["host"].startswith("[") and not _is_ipv6(match["host"]):
        raise ValueError(f"{quote(match['host'])} is no IPv6 address; write one like sip:[2001:db8::1]")
    given = match["parameters"].lower().split(";")[1:]
    for parameter in given:
        key, _, value = parameter.partition("=")
        if key != "transport":
            raise ValueError(f"the parameter {key!r} is not supported; write {example}")
        if value not in _TRANSPORTS:
            raise ValueError(f"the transport {value!r} is not supported; use {', '.join(_TRANSPORTS)}")
    if len(given) > 1:
        raise ValueError(f"names its transport twice; write {example}")
    if match["scheme"].lower() == "sips" and given and given[0] != "transport=tls":
        raise ValueError("sips: means TLS; take the transport out, or write sip:")
    return found


def target(raw: object) -> str:
    """Return what a probe is aimed at: an http or https URL, or the SIP URI of a server."""
    return http_target(raw) if isinstance(raw, str) and is_http(raw) else sip_target(raw)


def is_http(found: str) -> bool:
    """Whether a target is a URL of the web."""
    return found.lower().startswith(("http:", "https:"))


def transport(uri: str) -> str:
    """Return how a server is talked to, by its valid SIP URI: udp, tcp or tls."""
    if uri.lower().startswith("sips:"):
        return "tls"
    return uri.lower().partition(";transport=")[2] or "udp"


def http_target(raw: object) -> str:
    """Return the http or https URL that a probe asks for; `{tenant}` stands for the tenant's domain."""
    found = text(raw, most=_URL_MAX)
    example = "https://HOST/PATH"
    if not found.isascii():
        raise ValueError("must be ASCII; write other characters as %HH")
    url = _url(found.replace(TENANT, "tenant.example"), ("http", "https"), example, mend=_DROP_IT)
    if url.fragment:
        raise ValueError("must end with path and query; take the # part out")
    if "{" in url.geturl() or "}" in url.geturl():
        raise ValueError("may hold {tenant}, and nothing else in braces")
    return found
