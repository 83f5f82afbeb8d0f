"""What a reader may see, as what stands before every query."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dialtone.model import Scope
from dialtone.store.statements import sql


@dataclass(frozen=True, slots=True)
class Seen:
    """What stands before a query of a scope, with its values. No query names a table, only its views."""

    text: str
    values: Mapping[str, Any]


def seen_by(scope: Scope) -> Seen:
    """Return what stands before the queries of a scope."""
    if scope.domains is None:
        return Seen(sql("visible_all"), {})
    return Seen(sql("visible_some"), {"scope": json.dumps(sorted(scope.domains))})
