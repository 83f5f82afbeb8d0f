"""Counters of `_unknown` while tenants come and go: what a tenant takes along or brings is no traffic."""

from collections.abc import Callable, Iterable, Sequence
from typing import Final

from collectors.opensips.traffic import TENANT_EVENTS, TENANT_SESSIONS
from dialtone.model import UNKNOWN_TENANT, Sample
from dialtone.ports import TenantLookup

_COUNTERS: Final = frozenset({TENANT_EVENTS.name, TENANT_SESSIONS.name})
_TENANT: Final = 1
"""The place of the tenant among their labels."""

_Key = tuple[str, tuple[str, ...]]


class Unknown:
    """Keeps one server's counters of `_unknown` from jumping where whose traffic it is has changed.

    What they count is a sum over domains of nobody's. Where a domain leaves that sum, or joins it, the sum is
    shown with what makes up for it, until forget().
    """

    def __init__(self) -> None:
        self._tenants: TenantLookup | None = None
        self._offsets: dict[_Key, float] = {}

    def forget(self) -> None:
        """The server has been restarted: its counters begin anew, whoever's they are."""
        self._tenants = None
        self._offsets.clear()

    def steadied(
        self,
        found: Sequence[Sample],
        tenants: TenantLookup,
        *,
        counted: bool,
        among: Callable[[TenantLookup], Iterable[Sample]],
    ) -> Sequence[Sample]:
        """Return a poll's samples, made for these tenants, with steady counters of `_unknown`.

        `among` gives the samples that the same poll makes for other tenants. `tenants` is one that never
        changes (see TenantLookup.fixed). `counted` says whether the poll could read what tenants count;
        one that could not says nothing of a change, which the next one that can is compared for.
        """
        if counted:
            before, self._tenants = self._tenants, tenants
            if before is not None and before is not tenants:
                self._carry(_counters(among(before)), _counters(found))
        if not self._offsets:
            return found
        return [self._steady(sample) if _is_unknown(sample) else sample for sample in found]

    def _carry(self, before: dict[_Key, float], now: dict[_Key, float]) -> None:
        for key in before.keys() | now.keys():
            self._offsets[key] = self._offsets.get(key, 0.0) + before.get(key, 0.0) - now.get(key, 0.0)
        self._offsets = {key: offset for key, offset in self._offsets.items() if offset}

    def _steady(self, sample: Sample) -> Sample:
        key = sample.metric, sample.labels
        value = sample.value + self._offsets.get(key, 0.0)
        if value < 0:  # somebody has reset the statistics: it begins anew
            del self._offsets[key]
            return sample
        return sample._replace(value=value)


def _counters(samples: Iterable[Sample]) -> dict[_Key, float]:
    return {(sample.metric, sample.labels): sample.value for sample in samples if _is_unknown(sample)}


def _is_unknown(sample: Sample) -> bool:
    return sample.metric in _COUNTERS and sample.labels[_TENANT] == UNKNOWN_TENANT
