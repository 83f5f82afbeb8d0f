"""Makes the passwords, tokens and phone accounts of compose.yaml: `make_secrets.py FOLDER`.

One folder for each container, because a container must not see the secrets of another. What is there
already stays: all of it is made together, at the first start. Standard library only; run as root it
gives each file to the user of its container.
"""

import csv
import io
import os
import secrets
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

OWNERS: Final[Mapping[str, int]] = {
    "dialtone": 10001,
    "prometheus": 65534,
    "grafana": 472,
    "opensips": 0,
    "asterisk": 1000,
    "mysql": 999,
}
"""The folders, and the number of the user that each image runs as."""

TENANTS: Final = (
    "acme.ntek.clusterpbx.example",
    "bolt.ntek.clusterpbx.example",
    "globex.modulis.clusterpbx.example",
)
PHONES: Final = ("101", "102", "103")

_MADE: Final = ".made"


def contents() -> dict[str, dict[str, str]]:
    """Return the text of every file, by folder and name, with new random secrets."""
    token, ami, reader = _random(), _random(), _random()
    phones = [(tenant, user, _random()) for tenant in TENANTS for user in PHONES]
    return {
        "dialtone": {
            "token": token,
            "ami": ami,
            "mysql": reader,
            "accounts.csv": _accounts(phones),
        },
        "prometheus": {"token": token},
        "grafana": {"admin": _random()},
        "opensips": {"version": _VERSION, "subscriber": _subscribers(phones)},
        "asterisk": {"manager.conf": _manager(ami)},
        "mysql": {"root": _random(), "replication": _random(), "dialtone": reader},
    }


def write(folder: Path) -> bool:
    """Write the files below the folder, each readable by its owner alone; False if they were there."""
    marks = [folder / name / _MADE for name in OWNERS]
    if all(mark.exists() for mark in marks):
        return False
    for name, files in contents().items():
        place = folder / name
        place.mkdir(parents=True, exist_ok=True)
        for file, text in files.items():
            _write(place / file, text, OWNERS[name])
        _own(place, OWNERS[name], 0o700)
    for mark in marks:
        mark.touch()
    return True


def _write(path: Path, text: str, owner: int) -> None:
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
    _own(path, owner, 0o600)


def _own(path: Path, owner: int, mode: int) -> None:
    path.chmod(mode)
    if os.geteuid() == 0:
        os.chown(path, owner, owner)


def _random() -> str:
    return secrets.token_urlsafe(24)


def _accounts(phones: list[tuple[str, str, str]]) -> str:
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(("tenant", "user", "auth_user", "password"))
    table.writerows((tenant, user, user, password) for tenant, user, password in phones)
    return text.getvalue()


# OpenSIPS's db_text: a line of columns, then a line a row; `version` holds the tables' versions (3.6).
_VERSION: Final = "table_name(string) table_version(int)\nsubscriber:8\n"


def _subscribers(phones: list[tuple[str, str, str]]) -> str:
    columns = "id(int,auto) username(string) domain(string) password(string)"
    rows = (f"{n}:{user}:{tenant}:{password}" for n, (tenant, user, password) in enumerate(phones, start=1))
    return "\n".join((columns, *rows, ""))


def _manager(secret: str) -> str:
    """Asterisk's AMI user for Dialtone: reporting is all that its actions need."""
    return f"[dialtone]\nsecret = {secret}\nread =\nwrite = reporting\n"


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: make_secrets.py FOLDER")
    sys.stderr.write("secrets made\n" if write(Path(sys.argv[1])) else "secrets are there already\n")
