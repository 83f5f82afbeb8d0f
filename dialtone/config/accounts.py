"""`accounts:` -> the probes' phones, from a CSV file with tenant,user,auth_user,password."""

import csv
import io
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final

from dialtone.config.files import FileError, read_text
from dialtone.config.problem import quote
from dialtone.config.report import Report
from dialtone.config.schema import AccountsEntry
from dialtone.config.tree import TenantTree
from dialtone.model import Account, Secret, normalise_domain

COLUMNS: Final = ("tenant", "user", "auth_user", "password")
MAX_BYTES: Final = 16 << 20
MAX_ROWS: Final = 200_000

_LISTED: Final = 20
_USER: Final = re.compile(r"[A-Za-z0-9_.!~*'()&=+$,;?/-]{1,64}")
"""The user part of a SIP URI (RFC 3261 25.1), without escapes."""

_WHERE: Final = ("accounts", "file")


class _RowError(Exception):
    """One row can't be used."""


def read_accounts(
    report: Report, raw: object, folder: Path, tree: TenantTree | None
) -> Mapping[str, tuple[Account, ...]]:
    """Return the accounts by tenant, in the file's order; what is wrong is noted with the CSV's line."""
    if not isinstance(raw, Mapping) or not raw:
        return MappingProxyType({})
    entry = report.take(AccountsEntry, raw, ("accounts",))
    if entry is None:
        return MappingProxyType({})
    path = folder / entry.file
    found: dict[str, dict[str, Account]] = {}
    wrong = 0
    try:
        for line, row in _rows(read_text(path, MAX_BYTES, private=True)):
            try:
                account = _account(row, tree)
                others = found.setdefault(account.tenant, {})
                if others.setdefault(account.user, account) is not account:
                    raise _RowError(f"{account.aor} stands twice; keep one of the rows")
            except _RowError as error:
                wrong += 1
                if wrong <= _LISTED:
                    report.problem(_WHERE, f"{path} line {line}: {error}")
    except FileError as error:
        report.problem(_WHERE, f"the file {path} {error}")
    if wrong > _LISTED:
        report.problem(_WHERE, f"{path}: and {wrong - _LISTED:,} more rows like these")
    return MappingProxyType({tenant: tuple(accounts.values()) for tenant, accounts in found.items()})


def _rows(text: str) -> Iterator[tuple[int, dict[str, str]]]:
    """Give each row by column name with its line. Raises FileError for what makes the file unusable."""
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        header = [cell.strip() for cell in next(reader, [])]
        if sorted(header) != sorted(COLUMNS):
            raise FileError(f"must begin with the line {','.join(COLUMNS)}")
        for count, row in enumerate(reader):
            if count >= MAX_ROWS:
                raise FileError(f"has more than {MAX_ROWS:,} rows")
            if row:
                # A short or long row gets None here and is refused as one row, not as a file.
                yield reader.line_num, dict(zip(header, row, strict=True)) if len(row) == len(header) else {}
    except csv.Error as error:
        raise FileError(f"line {reader.line_num}: is not CSV: {error}") from None


def _account(row: Mapping[str, str], tree: TenantTree | None) -> Account:
    """Return the account of a row. No message repeats a cell past the user: it may be the password."""
    if not row:
        raise _RowError(f"needs the {len(COLUMNS)} values {','.join(COLUMNS)}")
    try:
        tenant = normalise_domain(row["tenant"])
    except ValueError as error:
        raise _RowError(f"tenant: {error}") from None
    if tree is not None and tenant not in tree:
        raise _RowError(f"{quote(tenant)} is not a configured tenant")
    user = row["user"].strip()
    if not _USER.fullmatch(user):
        raise _RowError(f"{quote(user)} can't be the user of a SIP address")
    auth_user = row["auth_user"].strip() or user
    if not auth_user.isprintable() or '"' in auth_user or len(auth_user) > 128:
        raise _RowError("the auth_user must be printable, without quotes, at most 128 characters")
    if not row["password"]:
        raise _RowError("the password is empty")
    if not row["password"].isprintable():
        raise _RowError("the password must be printable text")
    return Account(tenant, user, auth_user, Secret(row["password"]))
