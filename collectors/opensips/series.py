"""What series of the statistics module say of tenants: <what>_<domain> in any group; metrics, pure.

A series (stat_series_profile of 3.1 and later) keeps values over a window of time, and a server answers 0
where the window is empty: a 0 alone says nothing, so no delay and no ratio is made of it.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Final

from collectors.opensips.names import Names
from dialtone.model import Kind, MetricDef, MetricScope, Sample
from dialtone.ports import TenantLookup

MOST: Final = 50
"""Kinds of series that are told apart at a server."""

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
    """The series of one server, and in which places of a poll's values they are."""

    def __init__(self, tenants: TenantLookup) -> None:
        self._tenants = tenants
        self._places: dict[tuple[str, str], int] = {}
        self._whats: set[str] = set()

    def take(self, place: int, name: str, names: Names) -> bool:
        """Take <what>_<domain> of a configured tenant; False where it is none, or there already."""
        cut = names.prefix(name)
        if cut is None:
            return False
        key = what, _ = cut[0].lower(), cut[1].domain
        if key in self._places or (what not in self._whats and len(self._whats) >= MOST):
            return False
        self._whats.add(what)
        self._places[key] = place
        return True

    def samples(self, node: str, values: Sequence[float], at: datetime) -> Iterator[Sample]:
        """Yield a sample each; none of a ratio or a delay of which nobody can say that there were calls."""
        for (what, domain), place in self._places.items():
            value = values[place]
            whose = (node, domain, self._tenants.reseller(domain))
            if what == _CALLS:
                yield CALLS.sample(*whose, value=value, at=at)
            elif what == _PDD:
                if value > 0:
                    yield PDD.sample(*whose, value=value / 1000, at=at)
            elif what == _ASR and value <= _WHOLE:
                calls = self._places.get((_CALLS, domain))
                if value > 0 or (calls is not None and values[calls] > 0):
                    yield ASR.sample(*whose, value=value / _WHOLE, at=at)
            else:  # a percentage over 100 has another percentage_factor, which the server does not say
                yield SERIES.sample(*whose, what, value=value, at=at)
