"""SIP requests as text, and the digest answers that go into them: what a plain client would send."""

import hashlib
import re
from typing import Final

CONTACT: Final = "<sip:canary@127.0.0.1:5099>"


def a_register(
    domain: str, *, method: str = "REGISTER", contact: str = CONTACT, authorization: str = "", more: str = ""
) -> bytes:
    """Return a REGISTER, or another request, of the user canary."""
    contacts = f"Contact: {contact}\r\n" if contact else ""
    credentials = f"Authorization: {authorization}\r\n" if authorization else ""
    return (
        f"{method} sip:{domain} SIP/2.0\r\n"
        "Via: SIP/2.0/UDP 127.0.0.1:5099;rport;branch=z9hG4bK1\r\n"
        f"From: <sip:canary@{domain}>;tag=1\r\nTo: <sip:canary@{domain}>\r\n"
        f"Call-ID: a@127.0.0.1\r\nCSeq: 1 {method}\r\n{contacts}{credentials}{more}Content-Length: 0\r\n\r\n"
    ).encode()


def digest_answer(challenge: str, password: str, *, user: str = "canary", method: str = "REGISTER") -> str:
    """Return the Authorization of a WWW-Authenticate with qop auth (RFC 2617 3.2.2)."""
    given = dict(re.findall(r'([a-z]+)="?([^",\s]+)', challenge))
    uri = f"sip:{given['realm']}"
    secret, what = _md5(f"{user}:{given['realm']}:{password}"), _md5(f"{method}:{uri}")
    response = _md5(f"{secret}:{given['nonce']}:00000001:c:auth:{what}")
    return (
        f'Digest username="{user}", realm="{given["realm"]}", nonce="{given["nonce"]}", uri="{uri}", '
        f'qop=auth, nc=00000001, cnonce="c", response="{response}", algorithm=MD5'
    )


def header(response: bytes, name: str) -> str:
    """Return a response's first header of that name, "" where it has none."""
    found = re.search(rf"^{name}: (.*)\r$", response.decode(), re.MULTILINE)
    return found[1] if found else ""


def _md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()
