"""What series of the statistics module say of tenants: <what>_<domain> in any group; metrics, pure.

A series (stat_series_profile of 3.1 and later) keeps values over a window of time, and a server answers 0
where the window is empty: a 0 alone says nothing, so no delay and no ratio is made of it.
"""

import re
from collections.abc import Iterator
from datetime import datetime
from functools import lru_cache
from typing import Final

from dialtone.model import Kind, MetricDef, MetricScope, Sample
from dialtone.ports import TenantLookup

MOST: Final = 50
"""Kinds of series that are told apart at a server."""

_NAME: Final = re.compile(r"([A-Za-z0-9_]{1,40})_([A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63}){1,10})")
_ASR: Final = "asr"
_PDD: Final = "pdd"
_CALLS: Final = "cps"
_WHOLE: Final = 100.0


def _gauge(name: str, text: str, *labels: str, unit: str = "") -> MetricDef:
    return MetricDef(
        f"opensips_tenant_{name}",
        Kind.GAUGE,
        text,
        ("node", "tenant", "reseller", *labels),
        MetricScope.TENANT,
        unit=unit,
    )


ASR: Final = _gauge(
    "answer_seizure_ratio",
    "Answered share of a tenant's calls in the window of the series asr_DOMAIN (algorithm percentage)",
    unit="ratio",
)
PDD: Final = _gauge(
    "post_dial_delay_seconds",
    "Mean over the window of the series pdd_DOMAIN, which the script feeds with milliseconds",
    unit="seconds",
)
CALLS: Final = _gauge(
    "window_calls", "Calls of a tenant in the window of the series cps_DOMAIN (algorithm accumulate)"
)
SERIES: Final = _gauge("series", "Every other series of a tenant, as the script feeds it", "series")
METRICS: Final = (ASR, PDD, CALLS, SERIES)


class Series:
    """Collects the series of one poll; `samples` gives what has been collected."""

    def __init__(self, tenants: TenantLookup) -> None:
        self._tenants = tenants
        self._found: dict[tuple[str, str], float] = {}
        self._whats: set[str] = set()

    def take(self, name: str, value: float) -> bool:
        """Collect <what>_<domain> of a configured tenant; False where it is none, or there already."""
        parts = _split(name)
        if parts is None or value < 0 or (owner := self._tenants.match(parts[1])) is None:
            return False
        key = (parts[0], owner.domain)
        if key in self._found or (key[0] not in self._whats and len(self._whats) >= MOST):
            return False
        self._whats.add(key[0])
        self._found[key] = value
        return True

    def samples(self, node: str, at: datetime) -> Iterator[Sample]:
        """Yield a sample each; none of a ratio or a delay of which nobody can say that there were calls."""
        for (what, domain), value in self._found.items():
            whose = (node, domain, self._tenants.reseller(domain))
            if what == _CALLS:
                yield CALLS.sample(*whose, value=value, at=at)
            elif what == _PDD:
                if value > 0:
                    yield PDD.sample(*whose, value=value / 1000, at=at)
            elif what == _ASR and value <= _WHOLE:
                if value > 0 or self._found.get((_CALLS, domain), 0) > 0:
                    yield ASR.sample(*whose, value=value / _WHOLE, at=at)
            else:  # a percentage over 100 has another percentage_factor, which the server does not say
                yield SERIES.sample(*whose, what, value=value, at=at)


def is_series(name: str, tenants: TenantLookup) -> bool:
    """Whether a statistic is called <what>_<domain>, after a configured tenant."""
    parts = _split(name)
    return parts is not None and tenants.match(parts[1]) is not None


@lru_cache(16_384)
def _split(name: str) -> tuple[str, str] | None:
    found = _NAME.fullmatch(name)
    return (found[1].lower(), found[2]) if found else None
