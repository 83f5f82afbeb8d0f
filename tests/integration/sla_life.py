"""A service's months in seconds: results, traffic, upkeep, maintenance, corrections, closings, step by step.

What a step does follows from its number alone. So whoever begins in the midst of them, after a kill, does
what was to be done; and whoever looks knows what must be there. It is run as a nursery of lives: `python -m
tests.integration.sla_life FOLDER CONFIG` takes the first step of a life on a line of stdin, and forks it.
"""

import os
import random
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Final, Literal

import anyio

from dialtone.config import Settings, load
from dialtone.model import (
    Correction,
    Failure,
    FailureCode,
    Maintenance,
    Outcome,
    ProbeResult,
    Scope,
    SliceMark,
    SliceState,
)
from dialtone.ports import Store
from dialtone.runtime.passive import passive_key
from dialtone.sla.passive import passive_measures
from dialtone.store import open_store
from dialtone.wiring.ledger import Ledger
from tests.fakes.clock import FakeClock
from tests.fakes.records import a_result

ACME: Final = "acme.ntek.clusterpbx.example"
BOLT: Final = "bolt.ntek.clusterpbx.example"
NTEK: Final = "ntek.clusterpbx.example"
TENANTS: Final = (ACME, BOLT)
BEGIN: Final = datetime(2026, 2, 24, tzinfo=UTC)
KEEP: Final = timedelta(days=3)
KEEP_HOURS: Final = timedelta(days=10)
MOST: Final = 400
EVERYTHING: Final = Scope.everything()

_SLOTS: Final = 360
_PROBED: Final = 24
"""Of so many slots one is probed: the arithmetic is the same, and a month is short."""
_WAY: Final = timedelta(hours=6, minutes=30)
"""After a day's end (UTC) its steps are done. A month is closed on the second, with all that it brought."""

CONFIG: Final = """
location: mtl1
data: {data}
platform: {{domain: clusterpbx.example, timezone: America/Montreal}}
tenants:
  - {{domain: ntek.clusterpbx.example, name: NTEK}}
  - {{domain: acme.ntek.clusterpbx.example, name: Acme}}
  - {{domain: bolt.ntek.clusterpbx.example, name: Bolt, timezone: Europe/Paris}}
nodes:
  - {{name: sip1, kind: opensips, mi: "http://127.0.0.1:8888/mi"}}
accounts: {{file: accounts.csv}}
probes:
  - {{name: calls, flow: call, target: "sip:127.0.0.1:5060;transport=udp", interval: 60s, timeout: 10s}}
maintenance:
  - {{name: patches, begins: "2026-03-03T02:00", lasts: 1h, recurs: "FREQ=WEEKLY", reason: weekly updates}}
objectives:
  - {{name: telephony, flows: [call], target: 99%}}
  - {{name: telephony, tenants: [acme.ntek.clusterpbx.example], evidence: either, passive: {{seer: 90%}}}}
  - {{name: quick, flows: [call], target: 90%, latency: {{timing: srd, under: 500ms}}}}
"""

Kind = Literal["results", "marks", "settle", "declare", "withdraw", "correct", "tidy", "close"]


@dataclass(frozen=True, slots=True)
class Step:
    """One thing to do: of a day (counted from BEGIN), and for results of which quarter of it."""

    number: int
    kind: Kind
    day: int
    quarter: int = 0

    @property
    def at(self) -> datetime:
        """When it is done."""
        return BEGIN + timedelta(days=self.day + 1) + _WAY + timedelta(seconds=self.number % 600)

    @property
    def period(self) -> str:
        """The month that is closed: the one that was over a day before."""
        return f"{BEGIN + timedelta(days=self.day - 1):%Y-%m}"


def _steps() -> Iterator[Step]:
    number = 0
    for day in range(800):
        due: list[tuple[Kind, bool]] = [
            ("marks", True),
            ("declare", day % 3 == 1),
            ("withdraw", day % 6 == 2),
            ("correct", day % 4 == 1),
            ("tidy", True),
            ("close", (BEGIN + timedelta(days=day)).day == 1),
        ]
        kinds: list[tuple[Kind, int]] = [("settle", 0)] if day % 3 == 0 else []
        kinds += [("results", quarter) for quarter in range(4)]
        kinds += [(kind, 0) for kind, is_due in due if is_due]
        for kind, quarter in kinds:
            yield Step(number, kind, day, quarter)
            number += 1


@cache
def steps() -> tuple[Step, ...]:
    """Return all that there is to do, for years; a step is at its number."""
    return tuple(_steps())


def batch(one: Step) -> list[ProbeResult]:
    """Return what a quarter of a day brings: its own results, late ones of the day before, and duplicates."""
    quarter = one.day * 4 + one.quarter
    own = [result for tenant in TENANTS for result, late in _quarter(tenant, quarter) if not late]
    late = [result for tenant in TENANTS for result, late in _quarter(tenant, quarter - 4) if late]
    again = [result for tenant in TENANTS for result, late in _quarter(tenant, quarter - 1) if not late]
    return [*own, *late, *again[:5]]


def _quarter(tenant: str, quarter: int) -> Iterator[tuple[ProbeResult, bool]]:
    """Yield the results of six hours, and whether each comes a day late."""
    if quarter < 0:
        return
    rng = random.Random(f"{tenant}/{quarter}")
    first = int(BEGIN.timestamp()) // 60 + quarter * _SLOTS
    for slot in range(first + rng.randrange(_PROBED), first + _SLOTS, _PROBED):
        fate = rng.choices(list(_FATES), [55, 15, 8, 7, 6, 5, 4])[0]
        for attempt, outcome, late in _FATES[fate]:
            yield _result(tenant, slot, attempt, outcome, rng, f"{fate}-{late}"), late


_PASS, _FAIL, _NONE = Outcome.PASS, Outcome.FAIL, Outcome.INCONCLUSIVE
_FATES: Final[Mapping[str, tuple[tuple[Literal[1, 2], Outcome, bool], ...]]] = {
    "good": ((1, _PASS, False),),
    "bad": ((1, _FAIL, False), (2, _FAIL, False)),
    "flapped": ((1, _FAIL, False), (2, _PASS, False)),
    "unconfirmed": ((1, _FAIL, False), (2, _NONE, False)),
    "confirmed-late": ((1, _FAIL, False), (2, _FAIL, True)),
    "inconclusive": ((1, _NONE, False),),
    "contradicted-late": ((1, _FAIL, False), (2, _FAIL, False), (1, _PASS, True)),
}


def _result(
    tenant: str, slot: int, attempt: int, outcome: Outcome, rng: random.Random, what: str
) -> ProbeResult:
    code = {
        _FAIL: rng.choice([FailureCode.TIMEOUT, FailureCode.SIP_5XX]),
        _NONE: FailureCode.NO_PORT,
    }.get(outcome)
    started = datetime.fromtimestamp(slot * 60 + 10 * attempt, UTC)
    return a_result(
        f"{tenant}/{slot}/{attempt}/{what}",
        tenant,
        slot=slot,
        attempt=attempt,
        started=started,
        outcome=outcome,
        timings={"srd": rng.choice([0.05, 0.2, 0.9])} if outcome is _PASS else {},
        failure=None if code is None else Failure(code, "what it says"),
        interval=60.0,
    )


def marks(one: Step, settings: Settings) -> list[SliceMark]:
    """Return what the traffic of a day is judged as."""
    rng = random.Random(f"traffic {one.day}")
    first = int(BEGIN.timestamp()) // 60 + one.day * 1440
    cause = "traffic: SEER 40.0 % of 50 calls, under 90 % beyond chance"
    return [
        SliceMark(passive_key(tenant, measure), slot, SliceState.BAD, cause, one.at)
        if rng.random() < 0.3
        else SliceMark(passive_key(tenant, measure), slot, SliceState.GOOD, "", one.at)
        for tenant, measures in passive_measures(settings.objectives).items()
        for measure in measures
        for slot in range(first, first + 1440, 37)
    ]


def maintenance(one: Step) -> Maintenance:
    """Return what a step declares: for the day after tomorrow, of a client or of its reseller."""
    tenant = (NTEK, ACME, BOLT)[one.day % 2]
    begins = (one.at + timedelta(days=2)).replace(minute=0, second=0)
    recurs = "FREQ=DAILY;COUNT=3" if one.day % 2 else ""
    return Maintenance(0, tenant, begins, 1800, "alice", f"step {one.number}", one.at, recurs=recurs)


def correction(one: Step) -> Correction:
    """Return what a step corrects: two hours of four days ago, which may be of a closed month."""
    begins = (one.at - timedelta(days=4)).replace(minute=0, second=0)
    state = (SliceState.EXCLUDED, SliceState.GOOD, SliceState.BAD)[one.day % 3]
    ends = begins + timedelta(hours=2)
    return Correction(0, TENANTS[one.day % 2], begins, ends, state, "bob", f"step {one.number}", one.at)


async def do(one: Step, store: Store, ledger: Ledger, settings: Settings) -> str:
    """Do a step, which may have been done before; return what is to be remembered of it."""
    books = store.books
    if one.kind == "results":
        await store.add_results(batch(one))
    elif one.kind == "marks":
        await books.mark_slices(marks(one, settings))
    elif one.kind == "settle":
        await ledger.settle(one.at)
    elif one.kind == "declare":
        known = {each.reason for each in await books.maintenance(EVERYTHING)}
        if f"step {one.number}" not in known:
            await ledger.declare(EVERYTHING, maintenance(one))
    elif one.kind == "withdraw":
        if wanted := withdrawn_by(one):
            known_ids = [each.id for each in await books.maintenance(EVERYTHING) if each.reason == wanted]
            await books.withdraw(EVERYTHING, known_ids[0], at=one.at, author="alice")
    elif one.kind == "correct":
        known = {each.reason for each in await books.corrections(EVERYTHING)}
        if f"step {one.number}" not in known:
            await ledger.correct(EVERYTHING, correction(one))
    elif one.kind == "tidy":
        await store.prune_results(one.at - KEEP, most=MOST)
        await books.prune_rollups(one.at - KEEP_HOURS)
    else:
        attempts = await ledger.close(one.period, author="carol")
        refused = [attempt.refused for attempt in attempts if attempt.closing is None]
        if refused:
            raise AssertionError(f"{one.period} was not closed: {refused}")
        return " ".join(f"{each.closing.sequence}:{each.closing.hash}" for each in attempts if each.closing)
    return ""


def withdrawn_by(one: Step) -> str | None:
    """Return the reason of the maintenance that a step withdraws: the last one before it."""
    before = [each for each in steps()[: one.number] if each.kind == "declare"]
    return f"step {before[-1].number}" if before else None


async def live(folder: Path, config: Path, first: int) -> None:
    """Do steps from one on, and say which is begun and which is done, until killed."""
    settings, clock = load(config), FakeClock(steps()[first].at)
    say("awake")
    store = await open_store(folder)
    ledger = Ledger(settings, store.books, clock)
    for one in steps()[first:]:
        clock.jump((one.at - clock.now()).total_seconds())
        say(f"begun {one.number}")
        said = await do(one, store, ledger, settings)
        say(f"done {one.number} {said}")


def prepare(folder: Path) -> Path:
    """Write a configuration for a data folder beside it; return its path."""
    accounts = folder / "accounts.csv"
    phones = [f"{tenant},{user},{user},secret" for tenant in TENANTS for user in (100, 101)]
    accounts.write_text("\n".join(["tenant,user,auth_user,password", *phones]) + "\n")
    accounts.chmod(0o600)
    config = folder / "dialtone.yaml"
    config.write_text(CONFIG.format(data=folder / "data"))
    return config


def say(words: str) -> None:
    """Say a line whole: a pipe takes this much at once or nothing."""
    os.write(1, f"{words}\n".encode())


def nursery(folder: Path, config: Path) -> None:
    """Fork a life for each line that comes, and say when it has ended."""
    for line in sys.stdin:
        child = os.fork()
        if not child:
            anyio.run(live, folder, config, int(line))
            os._exit(0)
        say(f"born {child}")
        _, status = os.waitpid(child, 0)
        say(f"dead {os.waitstatus_to_exitcode(status)}")


if __name__ == "__main__":
    nursery(Path(sys.argv[1]), Path(sys.argv[2]))
