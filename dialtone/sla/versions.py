"""How months of each version of closings are computed and written: what there is of a version never changes.

A closed month verifies by its own version for ever, to the byte (tests/unit/sla/test_golden.py). Whoever
changes the arithmetic, the digests or the shape of the figures leaves the old functions to the old version,
and adds one (docs/decisions/0032).
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Final

from dialtone.sla.account import Pages
from dialtone.sla.figures import Account
from dialtone.sla.statements.asjson import figures_json
from dialtone.sla.terms import Terms, accounts_of, digests


@dataclass(frozen=True, slots=True)
class Version:
    """What a version of closings computes from terms and pages, and how it writes figures and series down."""

    accounts: Callable[[Terms, Pages, datetime], tuple[Account, ...]]
    figures: Callable[[Iterable[Account]], str]
    digests: Callable[[Pages], list[dict[str, object]]]


VERSIONS: Final[Mapping[int, Version]] = MappingProxyType({1: Version(accounts_of, figures_json, digests)})

CURRENT: Final = 1
"""What months are closed by now."""


def version(number: object) -> Version:
    """Return a version. Raises ValueError for one that a newer dialtone wrote, or that is none."""
    found = VERSIONS.get(number) if type(number) is int else None
    if found is None:
        raise ValueError(f"inputs of version {number!r} are not known here: use a newer dialtone")
    return found
