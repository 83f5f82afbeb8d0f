"""Tenants: SIP domains in a tree, platform -> reseller -> client."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

UNKNOWN_TENANT: Final = "_unknown"
"""Stands for traffic that can't be attributed to a configured tenant."""

_LABEL: Final = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)")
_MAX_DOMAIN: Final = 253


class Level(StrEnum):
    """Where a tenant stands in the tree."""

    PLATFORM = "platform"
    RESELLER = "reseller"
    CLIENT = "client"


@dataclass(frozen=True, slots=True)
class Tenant:
    """One SIP domain that the platform serves; a reseller is a tenant too.

    `domain` is normalised (lower case, no trailing dot). `parent` is the domain above, None for the
    platform itself. `account_codes` are the Asterisk account codes that mean this tenant besides
    its domain, `contexts` the dialplan contexts (voicemail contexts, parking lots ... of that name too).
    `configured` is False for a name that was discovered on a server.
    """

    domain: str
    parent: str | None
    level: Level
    name: str
    timezone: str = "UTC"
    language: str = "en"
    account_codes: tuple[str, ...] = ()
    contexts: tuple[str, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    configured: bool = True


def normalise_domain(text: str) -> str:
    """Return a SIP domain in the one spelling used everywhere: lower case, no trailing dot.

    Raises ValueError, with words for a person, where the text is no host name (RFC 1123; an
    underscore is let through because platforms have them).
    """
    domain = text.strip().lower().removesuffix(".")
    if not domain:
        raise ValueError("a domain can't be empty")
    if len(domain) > _MAX_DOMAIN:
        raise ValueError(f"a domain has at most {_MAX_DOMAIN} characters, this one has {len(domain)}")
    for label in domain.split("."):
        if not _LABEL.fullmatch(label):
            raise ValueError(f"{text.strip()!r} is not a domain: the part {label!r} is not a host label")
    return domain
