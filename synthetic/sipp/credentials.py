"""The injection file: whose phone a scenario is, with the password; sipp_flows.roles has its columns.

SIPp separates columns by semicolons and lines by line feeds, without any quoting, and takes a line that
begins with # for a comment; what is left of a password reaches the digest as it is (src/infile.cpp). It
copies both names and passwords into buffers of fixed size.
"""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final
from urllib.parse import quote

from dialtone.model import Account
from sipp_flows.roles import COLUMNS, INJECTION

MAX_FIELD: Final = 255
"""Bytes of a user, a domain, a name or a password that SIPp is given."""

_ORDER: Final = "SEQUENTIAL"
_USER: Final = "-_.!~*'()&=+$,?/"
"""What a URI may have in its user part beside letters and digits (RFC 3261 25.1), but for the semicolon."""
_NEVER: Final = {";": "a semicolon", "\n": "a line break", "\r": "a carriage return", "\0": "a NUL"}
_QUOTED: Final = {'"': "a quotation mark", "\\": "a backslash"}
_KEYWORD: Final = "[authentication"


class UnusableAccountError(Exception):
    """An account has what SIPp can't be given; the text names it and says what, never the value."""


def uri_user(account: Account) -> str:
    """Return the user part of the account's address as a URI has it."""
    return quote(account.user, safe=_USER)


def write_injection(folder: Path, account: Account, *, calls: Account | None = None) -> Path:
    """Write the file for one account, and whom it calls, into a folder of ours alone; return its path.

    Raises UnusableAccountError, and OSError where it can't be written or is there already.
    """
    path = folder / INJECTION
    text = injection(account, calls=calls)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8", errors="surrogateescape", newline="") as file:
        file.write(text)
    return path


def injection(account: Account, *, calls: Account | None = None) -> str:
    """Return the file's text. The row of who is called has no credentials: it needs none."""
    rows = [_row(account, calls)]
    if calls is not None:
        rows.append(_row(calls, None, credentials=False))
    return "".join(f"{';'.join(row)}\n" for row in [[_ORDER], *rows])


def check(accounts: Sequence[Account]) -> None:
    """Raise UnusableAccountError for the first account that SIPp can't be given."""
    for account in accounts:
        _row(account, None)


def _row(account: Account, calls: Account | None, *, credentials: bool = True) -> list[str]:
    row = {
        "key": _key(account),
        "user": _checked(account, "user", uri_user(account)),
        "domain": _checked(account, "domain", account.tenant),
        "auth_user": _checked(account, "auth_user", account.auth_user, _QUOTED) if credentials else "",
        "password": _checked(account, "password", account.password.reveal()) if credentials else "",
        "calls": "" if calls is None else _key(calls),
    }
    return [row[column] for column in COLUMNS]


def _key(account: Account) -> str:
    return f"{uri_user(account)}@{account.tenant}"


def _checked(account: Account, field: str, value: str, never: dict[str, str] | None = None) -> str:
    """Return a value that SIPp takes as it is. The error says the field and the kind of character only."""
    for character, name in (_NEVER | (never or {})).items():
        if character in value:
            raise UnusableAccountError(
                f"the {field} of {account.aor} has {name}, which SIPp can't be given: change it, or use the"
                " engine sippy"
            )
    if _KEYWORD in value:
        raise UnusableAccountError(f"the {field} of {account.aor} has a keyword of SIPp's: change it")
    if len(value.encode("utf-8", "replace")) > MAX_FIELD:
        raise UnusableAccountError(f"the {field} of {account.aor} is longer than {MAX_FIELD} bytes")
    return value
