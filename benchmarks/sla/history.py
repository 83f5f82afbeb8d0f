"""A month of the platform, written in bulk with the statements and the row functions of the store."""

import math
import random
import sqlite3
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from benchmarks.sla.platform import FLOWS, INTERVAL, LOCATION
from dialtone.config import Settings
from dialtone.model import (
    DAY_SECONDS,
    Engine,
    Failure,
    FailureCode,
    Flow,
    Origin,
    Outcome,
    ProbeResult,
    Rollup,
    SeriesKey,
    added_up,
    plane_bytes,
    rollup_key,
)
from dialtone.store import open_store
from dialtone.store.packed import pack
from dialtone.store.rollups import DAYS, HOURS
from dialtone.store.rows import instant, result_row
from dialtone.store.sqlite import FILE_NAME
from dialtone.store.statements import sql

PERIOD: Final = "2026-09"
BEGIN: Final = datetime(2026, 9, 1, tzinfo=UTC)
END: Final = datetime(2026, 10, 1, 5, tzinfo=UTC)
"""An hour after the month has ended in Montreal."""

_TYPICAL: Final[dict[Flow, dict[str, float]]] = {
    Flow.OPTIONS: {"options_delay": 0.003},
    Flow.REGISTER: {"rrd": 0.008, "binding_delay": 0.03},
    Flow.CALL: {"srd": 0.018, "pdd": 0.031, "sdd": 0.004, "sdt": 0.31},
    Flow.PRESENCE: {"presence_delay": 0.04},
}
_COUNTS: Final[dict[Flow, dict[str, int]]] = {
    Flow.REGISTER: {"register": 1, "register_failed": 0},
    Flow.CALL: {"invite": 1, "invite_200": 1, "session_complete": 1},
    Flow.PRESENCE: {"register": 2},
}
_SPREAD: Final = 0.2
_FAILING: Final = 0.002
_POOL: Final = 60
"""Different hours, and days, of each flow: all of a month would take hours to add up."""
_INCIDENTS: Final = 0.03
"""Days of a series that have an outage, of some minutes."""
_KEPT_COUNTS: Final = 8
_CACHE_KIB: Final = 1 << 19
_BY_PRODUCT: Final = 2
"""Minutes of results that the store adds itself: totals, series and newest results are there."""


async def write(settings: Settings, tenants: list[str], most: int, seed: int = 9) -> None:
    """Fill the store of a platform."""
    rng = random.Random(seed)  # noqa: S311 - a benchmark
    store = await open_store(settings.data)
    keys = [
        SeriesKey(tenant, flow, name, LOCATION, INTERVAL)
        for tenant in tenants
        for flow, name in FLOWS.items()
    ]
    await store.books.plan_series(LOCATION, keys, BEGIN)
    newest = [
        one
        for minute in range(_BY_PRODUCT)
        for one in _minute(rng, tenants, END - timedelta(minutes=1 + minute))
    ]
    for start in range(0, len(newest), 500):
        await store.add_results(newest[start : start + 500])
    await store.aclose()
    _fill(settings.data / FILE_NAME, rng, tenants, most - len(newest))


def _fill(path: Path, rng: random.Random, tenants: list[str], results: int) -> None:
    db = sqlite3.connect(path, isolation_level=None)
    db.row_factory = sqlite3.Row
    # No journal and much memory: what is written here can be written again. The store sets both back.
    for pragma in ("journal_mode = OFF", "synchronous = OFF", f"cache_size = -{_CACHE_KIB}"):
        db.execute(f"PRAGMA {pragma}")
    db.execute("BEGIN")
    _fill_rollups(db, rng)
    _fill_counts(db, tenants)
    _fill_slices(db, rng)
    _fill_results(db, rng, tenants, results)
    db.execute("COMMIT")
    db.close()


def _fill_results(db: sqlite3.Connection, rng: random.Random, tenants: list[str], count: int) -> None:
    each = len(tenants) * len(FLOWS)
    minutes = math.ceil(count / each)
    for minute in range(minutes, 0, -1):
        at = END - timedelta(minutes=_BY_PRODUCT + minute)
        db.executemany(sql("add_result"), (result_row(one) for one in _minute(rng, tenants, at)))


def _minute(rng: random.Random, tenants: list[str], at: datetime) -> Iterator[ProbeResult]:
    for place, tenant in enumerate(tenants):
        for flow in FLOWS:
            yield _result(rng, tenant, flow, at + timedelta(seconds=60 * place / len(tenants)))


def _result(rng: random.Random, tenant: str, flow: Flow, started: datetime) -> ProbeResult:
    fails = rng.random() < _FAILING
    id_ = str(uuid.UUID(int=rng.getrandbits(128), version=4))
    timings = {name: typical * math.exp(rng.gauss(0, _SPREAD)) for name, typical in _TYPICAL[flow].items()}
    has_evidence = fails or rng.random() < 0.1
    return ProbeResult(
        id_,
        FLOWS[flow],
        flow,
        Engine.SIPPY,
        tenant,
        "sip:127.0.0.1:5060;transport=udp",
        LOCATION,
        f"100@{tenant}",
        Origin.SCHEDULE,
        int(started.timestamp()) // INTERVAL,
        1,
        started,
        rng.uniform(0.3, 0.6),
        Outcome.FAIL if fails else Outcome.PASS,
        {} if fails else timings,
        None if fails else 200,
        Failure(FailureCode.TIMEOUT, "no answer to INVITE within 10 s") if fails else None,
        f"evidence/{tenant}/{started:%Y-%m-%d}/{id_}" if has_evidence else None,
        _COUNTS.get(flow, {}),
        interval=float(INTERVAL),
    )


def _fill_rollups(db: sqlite3.Connection, rng: random.Random) -> None:
    """Fill in hours and days; within an hour in no order, as they come in life."""
    hours = {flow: [_an_hour(rng, flow) for _ in range(_POOL)] for flow in FLOWS}
    days = {
        flow: [pack(added_up(rng.choices(of, k=24), of[0].key, BEGIN)) for _ in range(_POOL)]
        for flow, of in hours.items()
    }
    packed = {flow: [pack(hour) for hour in of] for flow, of in hours.items()}
    series = [(row["id"], Flow(row["flow"])) for row in db.execute("SELECT id, flow FROM rollup_series")]
    for span, pool in ((HOURS, packed), (DAYS, days)):
        for start in range(span.number(BEGIN), span.number(END)):
            rng.shuffle(series)
            db.executemany(
                sql(f"put_{span.name}_rollup"),
                [{"start": start, "series": id_, "data": rng.choice(pool[flow])} for id_, flow in series],
            )


def _an_hour(rng: random.Random, flow: Flow) -> Rollup:
    results = [_result(rng, "any", flow, BEGIN) for _ in range(3600 // INTERVAL)]
    key = rollup_key(results[0])
    if key is None:
        raise ValueError("a scheduled result is in a rollup")
    rollup = Rollup(key, BEGIN)
    for result in results:
        rollup.count(result)
    return rollup


def _fill_counts(db: sqlite3.Connection, tenants: list[str]) -> None:
    probes = 3600 // INTERVAL
    names = {name: count * probes for of in _COUNTS.values() for name, count in of.items()}
    for hour in range(_KEPT_COUNTS * 24):
        at = instant(END - timedelta(hours=hour + 1))
        db.executemany(
            sql("add_hourly_count"),
            [
                {"hour": at, "tenant": tenant, "name": name, "count": count}
                for tenant in tenants
                for name, count in names.items()
            ],
        )


def _fill_slices(db: sqlite3.Connection, rng: random.Random) -> None:
    """Fill in days: good, but for outages of some minutes, and some slices that nobody measured."""
    slots = DAY_SECONDS // INTERVAL
    series = [row["id"] for row in db.execute("SELECT id FROM slice_series")]
    first = int(BEGIN.timestamp()) // DAY_SECONDS
    last = int(END.timestamp()) // INTERVAL
    for day in range(first, int(END.timestamp()) // DAY_SECONDS + 1):
        known = (1 << min(slots, last - day * slots)) - 1
        for id_ in series:
            bad = 0
            if rng.random() < _INCIDENTS:
                begins, lasts = rng.randrange(slots), rng.randrange(2, 20)
                bad = ((1 << lasts) - 1) << begins & known
                if bad:
                    db.execute(sql("put_slot_cause"), _cause(id_, day * slots + begins))
            unknown = 1 << rng.randrange(slots)
            bits = plane_bytes(known & ~bad & ~unknown, bad, INTERVAL)
            db.execute(sql("put_day_bits"), {"series": id_, "day": day, "bits": bits})


def _cause(series: int, slot: int) -> dict[str, object]:
    known = (slot * INTERVAL + 30) * 1_000_000
    text = "timeout: no answer to INVITE within 10 s"
    return {"series": series, "slot": slot, "cause": text, "known": known, "evidence": None}
