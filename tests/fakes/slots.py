"""Results by their slot, and slices as text: for tests of the books in a store."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from dialtone.model import (
    Closing,
    Correction,
    Failure,
    FailureCode,
    Flow,
    Maintenance,
    Outcome,
    ProbeResult,
    SeriesKey,
    SliceSeries,
    SliceState,
)
from tests.fakes.records import NOON, a_result

ACME: Final = "acme.ntek.clusterpbx.example"

PASS, FAIL, UNSURE = Outcome

EVER: Final[dict[str, Any]] = {
    "since": datetime.min.replace(tzinfo=UTC),
    "until": datetime.max.replace(tzinfo=UTC),
}
MINUTE: Final = timedelta(minutes=1)
HOUR: Final = timedelta(hours=1)


def slot_of(at: datetime, interval: int = 60) -> int:
    """Return the slot that an instant is in."""
    return int(at.timestamp()) // interval


def minute(count: int) -> datetime:
    """Return the instant so many minutes after noon."""
    return NOON + count * MINUTE


def an_attempt(
    at: datetime, outcome: Outcome = PASS, attempt: int = 1, *, said: str = "no answer", **changes: Any
) -> ProbeResult:
    """Return a result of the slot that an instant is in, ended ten seconds after it by each attempt.

    Its id is made of what it is, so that the same one made twice is the same result.
    """
    interval = changes.get("interval", 60.0)
    code = FailureCode.TIMEOUT if outcome is FAIL else FailureCode.NO_PORT
    values: dict[str, Any] = {
        "tenant": ACME,
        "slot": slot_of(at, int(interval) or 60),
        "interval": interval,
        "attempt": attempt,
        "started": at + timedelta(seconds=10 * (attempt - 1)),
        "duration": 9.0,
        "outcome": outcome,
        "failure": None if outcome is PASS else Failure(code, said),
    }
    values |= changes
    name = "/".join(str(values.get(part, "")) for part in ("tenant", "probe", "location", "flow", "origin"))
    made = values.pop("result_id", f"{name}/{interval}/{at.isoformat()}/{attempt}/{outcome}/{said}")
    return a_result(made, values.pop("tenant"), **values)


def failed(at: datetime, **changes: Any) -> list[ProbeResult]:
    """Return a failure and its confirmation."""
    return [an_attempt(at, FAIL, 1, **changes), an_attempt(at, FAIL, 2, **changes)]


def a_key(**changes: Any) -> SeriesKey:
    """Return the availability of Acme's calls from mtl1 each minute, with what is given instead."""
    values: dict[str, Any] = {
        "tenant": ACME,
        "flow": Flow.CALL,
        "probe": "calls",
        "location": "mtl1",
        "interval": 60,
    }
    return SeriesKey(**(values | changes))


def state(series: SliceSeries, slot: int) -> SliceState:
    """Return what is known of a slot."""
    bit = slot - series.first
    if bit < 0:
        return SliceState.UNKNOWN
    return SliceState((series.slices.good >> bit & 1) + 2 * (series.slices.bad >> bit & 1))


def line(series: Iterable[SliceSeries], count: int, start: datetime = NOON) -> str:
    """Return so many slots of the one series as text: `+` good, `-` bad, `.` unknown."""
    (one,) = series
    first = slot_of(start, one.key.interval)
    return "".join(".+-"[state(one, slot)] for slot in range(first, first + count))


def work(**changes: Any) -> Maintenance:
    """Return an hour of maintenance of Acme tomorrow, with what is given instead."""
    values: dict[str, Any] = {
        "id": 0,
        "tenant": ACME,
        "begins": NOON + 24 * HOUR,
        "seconds": 3600,
        "author": "bob",
        "reason": "new cores",
        "declared": NOON,
    }
    return Maintenance(**(values | changes))


def a_correction(**changes: Any) -> Correction:
    """Return a correction of ten minutes from noon, with what is given instead."""
    values: dict[str, Any] = {
        "id": 0,
        "tenant": ACME,
        "begins": NOON,
        "ends": minute(10),
        "state": SliceState.GOOD,
        "author": "bob",
        "reason": "our own line was cut",
        "declared": NOON + 24 * HOUR,
    }
    return Correction(**(values | changes))


def a_closing(tenant: str = ACME, **changes: Any) -> Closing:
    """Return a closing of the hour from noon, the first of the chain, with what is given instead."""
    values: dict[str, Any] = {
        "sequence": 0,
        "tenant": tenant,
        "period": "2026-03",
        "closed": NOON + 48 * HOUR,
        "author": "alice",
        "inputs": '{"of":"inputs"}',
        "figures": '{"of":"figures é"}',
        "previous": "",
        "hash": f"hash of {tenant}",
        "spans": ((NOON, NOON + HOUR),),
    }
    return Closing(**(values | changes))
