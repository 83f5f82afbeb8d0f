"""A statement: what a tenant was promised and got in a month, for whoever pays and whoever is paid."""

from dataclasses import dataclass
from datetime import datetime

from dialtone.model import Closing, Correction
from dialtone.sla.figures import Account


@dataclass(frozen=True, slots=True)
class Party:
    """Somebody on a statement."""

    domain: str
    name: str


@dataclass(frozen=True, slots=True)
class Logo:
    """A picture of a reseller: a PNG or JPEG file's bytes, as its configuration named it."""

    media_type: str
    data: bytes


@dataclass(frozen=True, slots=True)
class ExcludedTime:
    """A span (UTC) that maintenance or a correction took out of the figures, and why."""

    start: datetime
    end: datetime
    reason: str
    author: str
    is_correction: bool


@dataclass(frozen=True, slots=True)
class Statement:
    """A month of a tenant.

    `period` is like 2026-10; `zone` and `language` are the tenant's. `issuer` is the reseller, or the
    platform for who has none. `accounts` are its services in the order of the configuration; `corrections`
    those that touch the month, `excluded` the time that is outside the figures. `made` is when it was
    computed; `closing` is the frozen month that it comes from, None where the month is open: then it may
    still change.
    """

    tenant: Party
    issuer: Party
    period: str
    zone: str
    language: str
    made: datetime
    accounts: tuple[Account, ...]
    corrections: tuple[Correction, ...] = ()
    excluded: tuple[ExcludedTime, ...] = ()
    logo: Logo | None = None
    closing: Closing | None = None
