"""What is measured: how long status and statements take, and how large the store is."""

import statistics
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

import anyio
from anyio import to_thread

from benchmarks.sla.history import END, PERIOD
from dialtone.config import load
from dialtone.model import Scope
from dialtone.runtime import garbage
from dialtone.runtime.clock import SystemClock
from dialtone.sla.statements import render
from dialtone.store import open_store
from dialtone.store.sqlite import FILE_NAME
from dialtone.wiring.ledger import Ledger

_ROUNDS: Final = 20
_PROCESSES: Final = 2


@dataclass(frozen=True, slots=True)
class Figures:
    """Seconds, the medians of several rounds but the statements', and bytes."""

    status_of_one: float
    status_of_all: float
    statements: float
    size: int


class _AtTheEnd(SystemClock):
    """A clock that stands when the month is over."""

    def now(self) -> datetime:
        """Return that instant."""
        return END


async def measure(config: Path, tenants: Sequence[str]) -> Figures:
    """Measure a store that is filled."""
    garbage.settle()  # as the service does
    settings = load(config)
    store = await open_store(settings.data)
    ledger = Ledger(settings, store.books, _AtTheEnd())
    one, all_ = [], []
    for number in range(_ROUNDS):
        tenant = tenants[number * 37 % len(tenants)]
        begun = time.perf_counter()
        await ledger.accounts(Scope.of(tenant), tenant=tenant, period=PERIOD)
        one.append(time.perf_counter() - begun)
    for _ in range(3):
        begun = time.perf_counter()
        accounts = await ledger.accounts(Scope.everything(), period=PERIOD)
        all_.append(time.perf_counter() - begun)
        if len(accounts) != len(tenants):
            raise ValueError(f"there are {len(accounts)} accounts of {len(tenants)} tenants")
    await store.aclose()
    taken = await to_thread.run_sync(_all_statements, config, list(tenants))
    size = sum(file.stat().st_size for file in settings.data.glob(f"{FILE_NAME}*"))
    return Figures(statistics.median(one), statistics.median(all_), taken, size)


def _all_statements(config: Path, tenants: list[str]) -> float:
    begun = time.perf_counter()
    with ProcessPoolExecutor(_PROCESSES) as pool:
        shares = [tenants[number::_PROCESSES] for number in range(_PROCESSES)]
        list(pool.map(_statements, [config] * _PROCESSES, shares))
    return time.perf_counter() - begun


def _statements(config: Path, tenants: Sequence[str]) -> None:
    anyio.run(_render, config, tenants)


async def _render(config: Path, tenants: Sequence[str]) -> None:
    settings = load(config)
    store = await open_store(settings.data)
    ledger = Ledger(settings, store.books, _AtTheEnd())
    for tenant in tenants:
        statement = await ledger.statement(Scope.of(tenant), tenant, PERIOD)
        if statement is None:
            raise ValueError(f"{tenant} has no statement")
        for form in ("json", "html"):
            (settings.data / f"{tenant}.{form}").write_bytes(render(statement, form))
    await store.aclose()
