"""What every store gives of closed months: whole, or without what they were made from."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import pytest

from dialtone.model import Closing, Scope
from dialtone.ports import Store
from dialtone.store import MemoryStore, open_store

ACME: Final = "acme.ntek.clusterpbx.example"
OTHER: Final = "zeta.volt.clusterpbx.example"
SPAN: Final = (datetime(2026, 2, 1, 5, tzinfo=UTC), datetime(2026, 3, 1, 5, tzinfo=UTC))


@pytest.fixture(params=["memory", "disk"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    made: Store = MemoryStore() if request.param == "memory" else await open_store(tmp_path / "data")
    yield made
    await made.aclose()


async def test_closings_are_given_without_inputs_and_figures_where_nobody_reads_them(store: Store) -> None:
    made: list[Closing] = []
    for tenant in (ACME, OTHER):
        previous = made[-1].hash if made else ""
        closing = Closing(
            0, tenant, "2026-02", SPAN[1], "alice", "{}", "[]", previous, f"{len(made):064x}", (SPAN,)
        )
        made.append(await store.books.close(closing))
    everything = Scope.everything()
    assert await store.books.closings(everything) == made
    light = [replace(one, inputs="", figures="") for one in made]
    assert await store.books.closings(everything, whole=False) == light
    assert await store.books.closings(everything, tenant=OTHER, period="2026-02", whole=False) == light[1:]
    assert await store.books.closings(Scope.of(ACME), whole=False) == light[:1]
    assert await store.books.closings(Scope.of(ACME), tenant=OTHER, whole=False) == []
