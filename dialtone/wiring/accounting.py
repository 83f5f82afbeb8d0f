"""The books while the service runs: in step with the configuration, their figures in the exposition."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from fractions import Fraction
from typing import Final, Protocol

import structlog

from dialtone.export import sla
from dialtone.model import MetricDef, Sample, Scope
from dialtone.ports import Clock, StoreError
from dialtone.runtime.passive import PassiveSlices
from dialtone.sla.figures import Account

_log = structlog.get_logger(__name__)

REFRESH: Final = 60.0
"""Seconds between two computations of all figures, and between two tries to settle."""

_AT_ONCE: Final = 20
"""Tenants whose figures are computed and shown together: the loop is held for that long at a time."""
_UNITS: Final = ((86_400, "d"), (3_600, "h"), (60, "m"), (1, "s"))


class Books(Protocol):
    """What is asked of the Ledger here."""

    async def accounts(
        self, scope: Scope, *, tenant: str | None = None, period: str | None = None
    ) -> Sequence[Account]:
        """Return the services of the tenants in scope, over the period that runs now."""

    async def settle(self, at: datetime) -> None:
        """Put the books in step with the configuration. Raises StoreError."""


class Accounting:
    """Settles the books, and shows what they say of each service, tenants at a time.

    `show` puts a source's samples into the exposition in the place of its last ones. What fails is counted,
    and logged once for as long as it fails; the figures of before stay, and their age says how old they are.
    """

    def __init__(
        self,
        ledger: Books,
        tenants: Iterable[str],
        reseller_of: Callable[[str], str],
        show: Callable[[str, Iterable[Sample]], None],
        clock: Clock,
    ) -> None:
        self._ledger = ledger
        self._reseller_of = reseller_of
        self._show = show
        self._clock = clock
        self._settled = False
        known = list(dict.fromkeys(tenants))
        self._groups = [known[at : at + _AT_ONCE] for at in range(0, len(known), _AT_ONCE)]
        self._computed = [clock.monotonic()] * len(self._groups)
        self._took: float | None = None
        self._errors = 0
        self._failing: set[str] = set()
        self._told: set[str] = set()

    async def settle(self) -> None:
        """Put the books in step with the configuration, unless they are; what fails is tried again later.

        Nothing that it raises keeps the service from probing: slices are opened by results too.
        """
        if self._settled:
            return
        try:
            await self._ledger.settle(self._clock.now())
        except Exception as error:  # noqa: BLE001 - the edge of one part: the probes go on without it
            self._fails("the books can't be put in step with the configuration", error)
        else:
            self._settled = True

    async def refresh(self) -> None:
        """Compute the figures of all services and show them; it rests as long as it works."""
        took = 0.0
        for number, tenants in enumerate(self._groups):
            began = self._clock.monotonic()
            try:
                accounts = await self._ledger.accounts(Scope.of(*tenants))
                self._show(f"sla/{number}", self._samples(accounts))
            except Exception as error:  # noqa: BLE001 - the edge of some tenants' figures: the others go on
                self._fails("figures of SLA can't be computed, they grow old", error)
            else:
                self._computed[number] = self._clock.monotonic()
            worked = self._clock.monotonic() - began
            took += worked
            await self._clock.sleep(worked)
        self._took = took
        if self._told and not self._failing:
            _log.info("figures of SLA are computed again")
        self._told, self._failing = self._failing, set()

    def figures(self) -> Iterator[Sample]:
        """Yield what the service knows of the figures themselves; nothing where nothing was promised."""
        now = self._clock.now()
        yield sla.ERRORS.sample(value=self._errors, at=now)
        if self._groups:
            age = self._clock.monotonic() - min(self._computed)
            yield sla.AGE.sample(value=age, at=now)
        if self._groups and self._took is not None:
            yield sla.REFRESH.sample(value=self._took, at=now)

    def _fails(self, what: str, error: Exception) -> None:
        self._errors += 1
        told = f"{what}: {type(error).__name__}: {error}"
        is_known = told in self._told | self._failing
        self._failing.add(told)
        if not is_known:
            # A store that fails says why in words; anything else is a mistake of ours.
            _log.warning(what, error=str(error), exc_info=not isinstance(error, StoreError))

    def _samples(self, accounts: Iterable[Account]) -> list[Sample]:
        now = self._clock.now()
        return [sample for account in accounts for sample in account_samples(account, self._reseller_of, now)]


def account_samples(account: Account, reseller_of: Callable[[str], str], at: datetime) -> Iterator[Sample]:
    """Yield the figures of a service that exist."""
    objective = account.objective
    service = (objective.tenant, reseller_of(objective.tenant), objective.service)
    shares: tuple[tuple[MetricDef, Fraction | None], ...] = (
        (sla.AVAILABILITY, account.corrected.availability),
        (sla.TARGET, objective.target),
        (sla.COVERAGE, account.corrected.coverage),
        (sla.BUDGET, account.budget.left),
    )
    for metric, share in shares:
        if share is not None:
            yield metric.sample(*service, value=float(share), at=at)
    is_open = any(one.end is None for one in account.incidents)
    yield sla.OPEN_INCIDENT.sample(*service, value=float(is_open), at=at)
    for burn in account.burns:
        window = window_name(burn.window)
        if burn.rate is not None:
            yield sla.BURN_RATE.sample(*service, window, value=float(burn.rate), at=at)
        if burn.rate is not None or burn.bad:
            yield sla.BAD_SLICES.sample(*service, window, value=float(burn.bad), at=at)


def traffic_samples(passive: PassiveSlices, at: datetime) -> Iterator[Sample]:
    """Yield what was lost of the tenants' own calls as evidence."""
    yield sla.TRAFFIC_DROPPED.sample(value=passive.dropped, at=at)
    yield sla.TRAFFIC_LOST.sample(value=passive.lost, at=at)
    yield sla.TRAFFIC_ERRORS.sample(value=passive.store_errors, at=at)


def window_name(seconds: int) -> str:
    """Return a window as PromQL writes it: 5m, 6h, 3d."""
    size, unit = next(one for one in _UNITS if seconds % one[0] == 0)
    return f"{seconds // size}{unit}"
