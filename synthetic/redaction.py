"""Takes credentials out of SIP text before it becomes evidence."""

import re
from collections.abc import Callable, Iterable
from typing import Final
from urllib.parse import quote

from dialtone.model import Secret

MASK: Final = "[redacted]"

_CREDENTIALS: Final = re.compile(
    r"^(?P<name>(?:proxy-)?(?:authorization|authenticate)|www-authenticate|(?:proxy-)?authentication-info)"
    r"(?P<colon>[ \t]*:[ \t]*)(?P<value>[^\r\n]*(?:\r?\n[ \t]+[^\r\n]*)*)",
    re.IGNORECASE | re.MULTILINE,
)
_PUBLIC: Final = frozenset({"username", "realm", "uri", "algorithm", "qop", "nc", "stale", "domain"})
"""Digest parameters that help to understand a failure and give nothing away; all others are masked."""
_PARAMETER: Final = re.compile(
    r'(?<![A-Za-z0-9_-])(?P<name>[A-Za-z0-9_-]{1,64})[ \t]*=[ \t]*(?:"(?:[^"\\]|\\.)*"?|[^",\s]*)'
)
"""Begins at a word only and has an end, so that one long word in a hostile header costs no quadratic time."""
_DIGEST: Final = re.compile(r"digest\s", re.IGNORECASE)
_ANSWERS: Final = frozenset({"response", "cnonce"})
"""What we make of a password; all else in our credentials the server has told us, or knows."""
_MEDIA_KEYS: Final = re.compile(
    r"^(a=crypto:[^\r\n]*?inline:|a=key-mgmt:|a=ice-pwd:|k=)[^\r\n]*", re.IGNORECASE | re.MULTILINE
)
_ANYWHERE: Final = 6
"""From this length on a password is masked inside longer words too, a shorter one where it stands alone."""
_CUT: Final = 8
"""So much of the beginning of an answer is known again where a text was cut in the midst of it."""


def redact(text: str, secrets: Iterable[Secret]) -> str:
    """Return SIP text without digest answers and nonces, media keys (SDES), and any of these passwords."""
    return redactor(secrets)(text)


def answers(sent: Iterable[str]) -> frozenset[str]:
    """Return the digest answers and client nonces in the credentials of messages that we sent.

    A server may repeat them where no header tells what they are: in a reason phrase, a body.
    """
    return frozenset(
        value
        for text in sent
        if "uthorization" in text.lower()
        for header in _CREDENTIALS.finditer(text)
        if header["name"].lower().endswith("authorization")
        for parameter in _PARAMETER.finditer(header["value"])
        if parameter["name"].lower() in _ANSWERS
        and (value := parameter[0].partition("=")[2].strip(' \t"').lower())
    )


def redactor(secrets: Iterable[Secret], answers: Iterable[str] = ()) -> Callable[[str], str]:
    """Return what redacts many texts: looking for a word is quick, and most texts have nothing to hide.

    `answers` are masked wherever they stand, in either case (see the function of that name).
    """
    words = {secret.reveal() for secret in secrets}
    spellings = {spelling for word in words for spelling in (word, quote(word, safe=""))} - {""}
    patterns = {spelling: _pattern(spelling) for spelling in spellings}
    beginnings = {answer[:_CUT].lower() for answer in answers} - {""}
    answered = _answered(beginnings) if beginnings else None

    def redact_one(text: str) -> str:
        lower = text.lower()
        if "auth" in lower:  # as every name in _CREDENTIALS has it
            text = _CREDENTIALS.sub(_redact_header, text)
        if "crypto" in lower or "k=" in lower or "key-mgmt" in lower or "ice-pwd" in lower:
            text = _MEDIA_KEYS.sub(lambda found: f"{found[1]}{MASK}", text)
        for spelling, pattern in patterns.items():
            if spelling in text:
                text = pattern.sub(MASK, text)
        if answered is not None and any(beginning in lower for beginning in beginnings):
            text = answered.sub(MASK, text)
        return text

    return redact_one


def _redact_header(found: re.Match[str]) -> str:
    value = " ".join(found["value"].split())
    if found["name"].lower().endswith("info"):
        scheme, rest = "", value
    elif _DIGEST.match(value):
        scheme, rest = value[:7], value[7:]
    else:  # Basic, Bearer or nonsense: nothing in it is for other eyes
        return f"{found['name']}{found['colon']}{value.split(' ', 1)[0][:20] if ' ' in value else ''} {MASK}"
    kept = [
        parameter[0] if parameter["name"].lower() in _PUBLIC else f"{parameter['name']}={MASK}"
        for parameter in _PARAMETER.finditer(rest)
    ]
    return f"{found['name']}{found['colon']}{scheme}{', '.join(kept)}"


def _answered(beginnings: Iterable[str]) -> re.Pattern[str]:
    """Return the words that begin like one of these, wherever in a longer word that is."""
    ways = (
        rf"{re.escape(begins)}[\w+/=.~-]*" if len(begins) >= _ANYWHERE else _pattern(begins).pattern
        for begins in sorted(beginnings, key=len, reverse=True)
    )
    return re.compile("|".join(ways), re.IGNORECASE)


def _pattern(word: str) -> re.Pattern[str]:
    escaped = re.escape(word)
    return re.compile(escaped if len(word) >= _ANYWHERE else rf"(?<!\w){escaped}(?!\w)")
