"""Evidence on disk: whole or not at all, for nobody else's eyes, forgotten in time."""

import json
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from dialtone.model import Evidence, Mark, Message, ProbeRun
from synthetic.evidence import EvidenceStore
from tests.fakes.records import a_result

MESSAGE = Message(
    0.001, "phone", "sent", "127.0.0.1:1", "127.0.0.1:2", "udp", "REGISTER sip:x SIP/2.0\r\n\r\n"
)
DAY = datetime(2026, 3, 1, 23, 30, tzinfo=UTC)


def a_run(result_id: str = "r1", tenant: str = "acme.example", started: datetime = DAY) -> ProbeRun:
    return ProbeRun(
        a_result(result_id, tenant, started=started), Evidence((MESSAGE,), (Mark("registered", 0.2),))
    )


@pytest.fixture
def store(tmp_path: Path) -> EvidenceStore:
    return EvidenceStore(tmp_path / "data", timedelta(days=7))


async def test_a_record_lies_under_its_tenant_and_day(store: EvidenceStore, tmp_path: Path) -> None:
    path = await store.write(a_run())
    assert path == "evidence/acme.example/2026-03-01/r1"
    folder = tmp_path / "data" / path
    record = json.loads((folder / "evidence.json").read_text())
    assert record["result"] == "r1"
    assert record["messages"][0]["text"].startswith("REGISTER")
    assert "REGISTER" in (folder / "ladder.txt").read_text()


async def test_nobody_else_can_read_it(store: EvidenceStore, tmp_path: Path) -> None:
    await store.write(a_run())
    paths = list((tmp_path / "data" / "evidence").rglob("*"))
    modes = {stat.S_IMODE(path.stat().st_mode) for path in paths if path.is_file()}
    assert modes == {0o600}
    assert {stat.S_IMODE(path.stat().st_mode) for path in paths if path.is_dir()} == {0o700}


@pytest.mark.parametrize("name", ["../../etc", "..", ".", "a/b", "/etc", "-x", "é\n", ".unfinished-r1"])
async def test_no_name_leads_out_of_the_folder(store: EvidenceStore, tmp_path: Path, name: str) -> None:
    path = await store.write(a_run(name, name))
    assert path is not None
    root = (tmp_path / "data" / "evidence").resolve()
    assert (tmp_path / "data" / path).resolve().is_relative_to(root)
    assert len(list(root.rglob("evidence.json"))) == 1


async def test_writing_the_same_record_again_changes_nothing(store: EvidenceStore) -> None:
    assert await store.write(a_run()) == await store.write(a_run())
    assert store.lost == 0


async def test_a_disk_that_takes_nothing_costs_the_record_alone(tmp_path: Path) -> None:
    blocked = tmp_path / "blocked"
    blocked.write_text("a file where a folder should be")
    store = EvidenceStore(blocked, timedelta(days=7))
    assert await store.write(a_run("r1")) is None
    assert await store.write(a_run("r2")) is None
    assert store.lost == 2
    blocked.unlink()
    assert await store.write(a_run("r3")) is not None


async def test_old_days_are_forgotten_and_others_kept(store: EvidenceStore, tmp_path: Path) -> None:
    for age in (0, 6, 8, 30):
        await store.write(a_run(f"r{age}", started=DAY - timedelta(days=age)))
    assert await store.prune(DAY) == 2
    left = {path.name for path in (tmp_path / "data" / "evidence").glob("*/*/*")}
    assert left == {"r0", "r6"}


async def test_pruning_nothing_is_no_error(store: EvidenceStore) -> None:
    assert await store.prune(DAY) == 0
