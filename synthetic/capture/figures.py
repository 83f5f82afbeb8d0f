"""The figures of RFC 6076 from attempts that were seen: counts, classes, times; by tenant and in all.

Times are by the clock of the place of capture, of what passed there: where that isn't the caller's own
socket, the way from it to there is missing in them. Times of success and of failure are never mixed.
"""

from array import array
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from dialtone.model import COUNTS, UNKNOWN_TENANT
from dialtone.quality import Ratios, ratios
from synthetic.capture.attempts import CHALLENGED, TIMER, Attempt

OTHER: Final = "_other"
"""Stands for tenants past a limit."""
MAX_DOMAINS: Final = 1000
"""So many tenants are told apart."""
SHOWN_DOMAINS: Final = 50
"""So many of them, those with the most attempts, have figures of their own in a report."""
MAX_TIMES: Final = 200_000
"""So many times of one kind are kept; later ones are in no median."""
MAX_METHODS: Final = 30

TIMES: Final[Mapping[str, str]] = {
    "rrd": "registration request delay (RFC 6076 4.1)",
    "srd": "session request delay of sessions (RFC 6076 4.3.1)",
    "srd_failed": "session request delay of failures (RFC 6076 4.3.2)",
    "sdd": "session disconnect delay (RFC 6076 4.4)",
    "sdd_failed": "session disconnect delay of BYEs without an answer (RFC 6076 4.4)",
    "sdt": "session duration time (RFC 6076 4.5)",
    "pdd": "post-dial delay: INVITE to the first 180, 183 or 200",
}
"""The times of a report, in seconds, and what they are."""

END_USER: Final = frozenset({480, 486, 600, 603})
"""The called side's choice (RFC 6076 4.7)."""
_INEFFECTIVE: Final = frozenset({408, 500, 503, 504})
_NO_FAILURE: Final = CHALLENGED | {402}


@dataclass(frozen=True, slots=True)
class Times:
    """Times of one kind, in seconds; `count` is of all, the others of the first MAX_TIMES."""

    count: int
    median: float
    p95: float
    most: float


@dataclass(frozen=True, slots=True)
class Figures:
    """What became of the requests of one tenant, or of all.

    `counts` is by the names of COUNTS. `classes` is by method, then by "1xx" (a provisional response and no
    other) to "6xx" or "none": each attempt once, by its last response. `open` counts INVITEs and REGISTERs
    whose outcome was not known yet at the end of the capture: no ratio has them.
    """

    counts: Mapping[str, int]
    classes: Mapping[str, Mapping[str, int]]
    times: Mapping[str, Times]
    open: int

    @property
    def ratios(self) -> Ratios:
        """The ratios of RFC 6076; None where nothing was asked for."""
        return ratios(self.counts)


class Sums:
    """Adds up attempts of one tenant, or of all."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.open = 0
        self._classes: dict[str, Counter[str]] = {}
        self._times: dict[str, array[float]] = {}
        self._many: Counter[str] = Counter()

    def add(self, method: str, attempt: Attempt, until: float) -> None:
        """Add an attempt of any method; `until` is the end of the capture."""
        self._class(method, attempt)
        match method:
            case "INVITE":
                self._invite(attempt, until)
            case "REGISTER":
                self._register(attempt, until)
            case "BYE":
                self._bye(attempt, until)

    def session(self, duration: float, *, complete: bool) -> None:
        """Add a session that was seen to begin and to end; `complete`: its BYE was answered."""
        self.time("sdt", duration)
        self.counts["session_complete"] += complete

    def time(self, name: str, seconds: float) -> None:
        """Add a time by the names of TIMES."""
        kept = self._times.setdefault(name, array("d"))
        self._many[name] += 1
        if len(kept) < MAX_TIMES:
            kept.append(max(0.0, seconds))

    def fold(self, other: "Sums") -> None:
        """Add all of another one."""
        self.counts.update(other.counts)
        self.open += other.open
        for method, classes in other._classes.items():
            self._classes.setdefault(method, Counter()).update(classes)
        for name, times in other._times.items():
            kept = self._times.setdefault(name, array("d"))
            kept.extend(times[: MAX_TIMES - len(kept)])
        self._many.update(other._many)

    def figures(self) -> Figures:
        """Return what it has come to."""
        return Figures(
            {name: self.counts[name] for name in COUNTS},
            {method: dict(sorted(classes.items())) for method, classes in sorted(self._classes.items())},
            {name: _times(self._times[name], self._many[name]) for name in TIMES if name in self._times},
            self.open,
        )

    def _class(self, method: str, attempt: Attempt) -> None:
        if method not in self._classes and len(self._classes) >= MAX_METHODS:
            method = OTHER
        classes = self._classes.setdefault(method, Counter())
        if attempt.status is not None:
            classes[f"{attempt.status // 100}xx"] += 1
        else:
            classes["1xx" if attempt.provisional else "none"] += 1

    def _invite(self, attempt: Attempt, until: float) -> None:
        status = attempt.status
        if attempt.rang is not None:
            self.time("pdd", attempt.rang - attempt.began)
        if status is None and not attempt.timed_out(until):
            self.open += 1
            return
        self.counts["invite"] += 1
        self.counts["invite_200"] += attempt.succeeded
        self.counts["invite_3xx"] += status is not None and status // 100 == 3
        self.counts["invite_end_user"] += status in END_USER
        self.counts["invite_ineffective"] += status is None or status in _INEFFECTIVE
        told = attempt.answered if attempt.answered is not None else attempt.sent + TIMER
        if attempt.succeeded:
            self.time("srd", (attempt.indicated or told) - attempt.began)
        elif status is None or (status >= 400 and status not in _NO_FAILURE):
            self.time("srd_failed", told - attempt.began)

    def _register(self, attempt: Attempt, until: float) -> None:
        status = attempt.status
        if status is None and not attempt.timed_out(until):
            self.open += 1
            return
        self.counts["register"] += 1
        self.counts["register_failed"] += status is None or (status >= 400 and status not in _NO_FAILURE)
        if attempt.succeeded and attempt.answered is not None:
            self.time("rrd", attempt.answered - attempt.began)

    def _bye(self, attempt: Attempt, until: float) -> None:
        if attempt.succeeded and attempt.answered is not None:
            self.time("sdd", attempt.answered - attempt.began)
        elif attempt.timed_out(until):
            self.time("sdd_failed", attempt.sent + TIMER - attempt.began)


class Book:
    """The sums of all, and of each tenant; past MAX_DOMAINS tenants the new ones are added up as one."""

    def __init__(self) -> None:
        self.all = Sums()
        self._tenants: dict[str, Sums] = {}

    def of(self, domain: str) -> tuple[Sums, Sums]:
        """Return what an attempt of a tenant ("" for none that is known) is added to."""
        name = domain or UNKNOWN_TENANT
        if name not in self._tenants and len(self._tenants) >= MAX_DOMAINS:
            name = OTHER
        return self.all, self._tenants.setdefault(name, Sums())

    def tenants(self) -> dict[str, Figures]:
        """Return the figures of SHOWN_DOMAINS tenants, the busiest, and of the others as one."""
        ranked = sorted(
            self._tenants.items(),
            key=lambda item: (item[0] == OTHER, -_attempts(item[1]), item[0]),
        )
        shown, rest = ranked[:SHOWN_DOMAINS], ranked[SHOWN_DOMAINS:]
        found = {name: sums.figures() for name, sums in shown}
        if rest:
            others = Sums()
            for _, sums in rest:
                others.fold(sums)
            found[OTHER] = others.figures()
        return found


def _times(kept: "array[float]", count: int) -> Times:
    ordered = sorted(kept)
    return Times(count, _percentile(ordered, 0.5), _percentile(ordered, 0.95), ordered[-1])


def _percentile(ordered: list[float], share: float) -> float:
    """Return the value that so many are not above, between two neighbours in proportion."""
    place = (len(ordered) - 1) * share
    below = int(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (place - below)


def _attempts(sums: Sums) -> int:
    return sums.counts["invite"] + sums.counts["register"] + sums.open
