"""The sample platform: clusterpbx.example, two resellers, three clients each, five phones a client."""

import csv
import io
import secrets
from pathlib import Path
from typing import Final

from lab.base import LabError, Phone, Sample, SampleTenant
from lab.files import write_private

PLATFORM: Final = "clusterpbx.example"
COLUMNS: Final = ("tenant", "user", "auth_user", "password")
"""The columns of accounts.csv, as dialtone.yaml's `accounts:` wants them."""

_CLIENTS: Final = {
    "ntek": ("acme", "bolt", "cafe"),
    "modulis": ("globex", "initech", "umbrella"),
}
_USERS: Final = ("101", "102", "103", "104", "105")
_PASSWORD_BYTES: Final = 12


def tenants() -> tuple[SampleTenant, ...]:
    """Return the eight tenants: each reseller before its clients. Resellers have no digit (0)."""
    found: list[SampleTenant] = []
    number = 0
    for reseller, clients in _CLIENTS.items():
        found.append(SampleTenant(f"{reseller}.{PLATFORM}", reseller.capitalize(), "reseller", 0))
        for client in clients:
            number += 1
            found.append(
                SampleTenant(f"{client}.{reseller}.{PLATFORM}", client.capitalize(), "client", number)
            )
    return tuple(found)


def sample(accounts: Path) -> Sample:
    """Return the sample platform with the passwords in that file; makes it (0600) if need be.

    So a lab that comes up again has the phones it had. Raises LabError for a file that isn't ours.
    """
    if not accounts.exists():
        write_private(accounts, _new_accounts())
    return Sample(PLATFORM, tenants(), _read(accounts))


def _new_accounts() -> str:
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(COLUMNS)
    for tenant in tenants():
        if tenant.level == "client":
            table.writerows(
                (tenant.domain, user, user, secrets.token_hex(_PASSWORD_BYTES)) for user in _USERS
            )
    return text.getvalue()


def _read(accounts: Path) -> tuple[Phone, ...]:
    with accounts.open(newline="") as file:
        rows = list(csv.DictReader(file))
    phones = tuple(
        Phone(row["tenant"], row["user"], row["password"])
        for row in rows
        if all(row.get(column) for column in COLUMNS)
    )
    expected = {(t.domain, user) for t in tenants() if t.level == "client" for user in _USERS}
    if {(phone.tenant, phone.user) for phone in phones} != expected:
        raise LabError(
            f"{accounts} doesn't hold the phones of the sample platform: remove it and a new one is made"
        )
    return phones
