"""Recorded answers of real Asterisk servers, and the tenants that they are about."""

from pathlib import Path

import pytest

from collectors.asterisk.parse import ALWAYS
from collectors.asterisk.wire import Block, decode
from dialtone.config.tree import TenantTree
from dialtone.model import Level, Tenant

DATA = Path(__file__).parents[2] / "data" / "asterisk"
VERSIONS = ("16.28.0", "22.10.1")
RESELLER = "ntek.clusterpbx.example"


def recorded(version: str, name: str) -> bytes:
    """Return the exact bytes of a recorded answer."""
    return (DATA / version / f"{name}.reply").read_bytes()


def blocks(version: str, name: str) -> list[Block]:
    """Return a recorded answer's messages."""
    return [decode(raw) for raw in recorded(version, name).split(b"\r\n\r\n") if raw]


def whole(prefix: str = "", **headers: str) -> dict[str, str]:
    """Return a channel as events and lists tell of it: all that Asterisk says of each, and these headers."""
    told = dict.fromkeys((prefix + name for name in ALWAYS), "")
    return told | {prefix + name: value for name, value in headers.items()}


def event_of(name: str, prefix: str = "", **headers: str) -> dict[str, str]:
    """Return an event of a channel, in Asterisk's order."""
    return {"Event": name, "Privilege": "call,all"} | whole(prefix, **headers)


def items(version: str, name: str) -> list[Block]:
    """Return a recorded list's items, without its head and end."""
    return blocks(version, name)[1:-1]


@pytest.fixture
def tenants() -> TenantTree:
    """Return three clients whose account codes the recordings have, and a quiet one."""
    return TenantTree(
        Tenant("clusterpbx.example", None, Level.PLATFORM, "Platform"),
        [
            Tenant(RESELLER, "clusterpbx.example", Level.RESELLER, "NTEK"),
            *(
                Tenant(f"{name}.{RESELLER}", RESELLER, Level.CLIENT, name, account_codes=(name,))
                for name in ("acme", "bd", "globex", "quiet")
            ),
        ],
    )
