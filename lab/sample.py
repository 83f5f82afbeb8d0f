"""The sample platform: clusterpbx.example and two resellers; their clients and phones, as many as wanted."""

import csv
import io
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from lab.base import LabError, Phone, Sample, SampleTenant
from lab.files import write_private

PLATFORM: Final = "clusterpbx.example"
COLUMNS: Final = ("tenant", "user", "auth_user", "password")
"""The columns of accounts.csv, as dialtone.yaml's `accounts:` wants them."""

_RESELLERS: Final = ("ntek", "modulis")
_CLIENTS: Final = ("acme", "bolt", "cafe", "globex", "initech", "umbrella")
"""The clients that have a name of their own; in a bigger platform the others are called by their number."""
_FIRST_USER: Final = 101
_PASSWORD_BYTES: Final = 12


@dataclass(frozen=True, slots=True)
class Size:
    """How many clients the platform has in all, and how many phones each: 1 to 9,999, and 1 to 899."""

    clients: int = len(_CLIENTS)
    phones: int = 5

    def __post_init__(self) -> None:
        """Raise LabError for a platform that the numbering plan has no place for."""
        if not (0 < self.clients < 10_000 and 0 < self.phones < 900):
            raise LabError(
                f"{self}: a sample platform has 1 to 9,999 clients with 1 to 899 phones each "
                "(DIDs have four digits for the client and three for the phone)"
            )

    @property
    def users(self) -> tuple[str, ...]:
        """The phones of a client: 101, 102 ..."""
        return tuple(str(user) for user in range(_FIRST_USER, _FIRST_USER + self.phones))


def tenants(clients: int = len(_CLIENTS)) -> tuple[SampleTenant, ...]:
    """Return the tenants: each reseller before its clients, half of them each. Resellers are number 0."""
    names = [*_CLIENTS, *(f"client{number}" for number in range(len(_CLIENTS) + 1, clients + 1))][:clients]
    numbered = list(enumerate(names, start=1))
    half = (clients + 1) // 2
    found: list[SampleTenant] = []
    for reseller, its in zip(_RESELLERS, (numbered[:half], numbered[half:]), strict=True):
        found.append(SampleTenant(f"{reseller}.{PLATFORM}", reseller.capitalize(), "reseller", 0))
        found.extend(
            SampleTenant(f"{name}.{reseller}.{PLATFORM}", name.capitalize(), "client", number)
            for number, name in its
        )
    return tuple(found)


def sample(accounts: Path, size: Size = Size()) -> Sample:
    """Return the sample platform with the passwords in that file; makes it (0600) if need be.

    So a lab that comes up again has the phones it had. Raises LabError for a file that isn't ours, or of
    another size.
    """
    made = tenants(size.clients)
    if not accounts.exists():
        write_private(accounts, _new_accounts(made, size.users))
    return Sample(PLATFORM, made, _read(accounts, made, size.users))


def _new_accounts(made: Iterable[SampleTenant], users: Sequence[str]) -> str:
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(COLUMNS)
    for tenant in made:
        if tenant.level == "client":
            table.writerows((tenant.domain, user, user, secrets.token_hex(_PASSWORD_BYTES)) for user in users)
    return text.getvalue()


def _read(accounts: Path, made: Iterable[SampleTenant], users: Sequence[str]) -> tuple[Phone, ...]:
    with accounts.open(newline="") as file:
        rows = list(csv.DictReader(file))
    phones = tuple(
        Phone(row["tenant"], row["user"], row["password"])
        for row in rows
        if all(row.get(column) for column in COLUMNS)
    )
    expected = {(t.domain, user) for t in made if t.level == "client" for user in users}
    if {(phone.tenant, phone.user) for phone in phones} != expected:
        raise LabError(
            f"{accounts} doesn't hold the phones of the sample platform: remove it and a new one is made"
        )
    return phones
