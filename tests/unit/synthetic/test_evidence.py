"""Evidence on disk: whole or not at all, for nobody else's eyes, forgotten in time."""

import json
import os
import stat
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import anyio
import pytest

from dialtone.config import EvidenceLimits
from dialtone.model import (
    Evidence,
    Failure,
    FailureCode,
    Hears,
    Mark,
    MediaPlan,
    Message,
    Origin,
    Outcome,
    Plan,
    ProbeRun,
    stream_from_json,
)
from synthetic.evidence import EvidenceStore
from synthetic.retention import Pruned
from tests.fakes.records import a_result, a_stream

MESSAGE = Message(
    0.001, "phone", "sent", "127.0.0.1:1", "127.0.0.1:2", "udp", "REGISTER sip:x SIP/2.0\r\n\r\n"
)
DAY = datetime(2026, 3, 1, 23, 30, tzinfo=UTC)


RECORD = Evidence((MESSAGE,), (Mark("registered", 0.2),))
BIG = Message(0.0, "phone", "sent", "127.0.0.1:1", "127.0.0.1:2", "udp", "x" * 60_000)


def a_run(
    result_id: str = "r1",
    tenant: str = "acme.example",
    started: datetime = DAY,
    code: FailureCode | None = None,
    origin: Origin = Origin.SCHEDULE,
    evidence: Evidence = RECORD,
    probe: str = "registrations",
) -> ProbeRun:
    result = a_result(
        result_id,
        tenant,
        probe=probe,
        started=started,
        origin=origin,
        outcome=Outcome.PASS if code is None else code.outcome,
        failure=None if code is None else Failure(code, "no answer"),
    )
    return ProbeRun(result, evidence)


@pytest.fixture
def store(tmp_path: Path) -> EvidenceStore:
    return EvidenceStore(tmp_path / "data", EvidenceLimits())


async def test_a_record_lies_under_its_tenant_and_day(store: EvidenceStore, tmp_path: Path) -> None:
    path = await store.write(a_run(), Plan())
    assert path == "evidence/acme.example/2026-03-01/r1"
    folder = tmp_path / "data" / path
    record = json.loads((folder / "evidence.json").read_text())
    assert record["result"] == "r1"
    assert record["messages"][0]["text"].startswith("REGISTER")
    assert "REGISTER" in (folder / "ladder.txt").read_text()


async def kept_of(store: EvidenceStore, run: ProbeRun) -> str | None:
    """Keep a run's record as the driver does."""
    wanted = run.result.origin is Origin.MANUAL or store.wants_pass(run.result.tenant, run.result.probe)
    return await store.keep(run, Plan(), passes=wanted)


async def test_nobody_else_can_read_it(store: EvidenceStore, tmp_path: Path) -> None:
    await store.write(a_run(), Plan())
    paths = list((tmp_path / "data" / "evidence").rglob("*"))
    modes = {stat.S_IMODE(path.stat().st_mode) for path in paths if path.is_file()}
    assert modes == {0o600}
    assert {stat.S_IMODE(path.stat().st_mode) for path in paths if path.is_dir()} == {0o700}


@pytest.mark.parametrize("name", ["../../etc", "..", ".", "a/b", "/etc", "-x", "é\n", ".unfinished-r1"])
async def test_no_name_leads_out_of_the_folder(store: EvidenceStore, tmp_path: Path, name: str) -> None:
    path = await store.write(a_run(name, name), Plan())
    assert path is not None
    root = (tmp_path / "data" / "evidence").resolve()
    assert (tmp_path / "data" / path).resolve().is_relative_to(root)
    assert len(list(root.rglob("evidence.json"))) == 1


async def test_writing_the_same_record_again_changes_nothing(store: EvidenceStore) -> None:
    assert await store.write(a_run(), Plan()) == await store.write(a_run(), Plan())
    assert store.lost == 0


async def test_a_disk_that_takes_nothing_costs_the_record_alone(tmp_path: Path) -> None:
    blocked = tmp_path / "blocked"
    blocked.write_text("a file where a folder should be")
    store = EvidenceStore(blocked, EvidenceLimits())
    assert await store.write(a_run("r1"), Plan()) is None
    assert await store.write(a_run("r2"), Plan()) is None
    assert store.lost == 2
    blocked.unlink()
    assert await store.write(a_run("r3"), Plan()) is not None


async def test_a_disk_that_hangs_costs_the_record_alone_and_is_waited_for_once(tmp_path: Path) -> None:
    store = EvidenceStore(tmp_path / "data", EvidenceLimits(), patience=0.05)
    place = tmp_path / "data" / "evidence" / "acme.example" / "2026-03-01" / ".unfinished-r1"
    place.mkdir(parents=True)
    pipe = place / "evidence.json"
    os.mkfifo(pipe)  # which nobody reads: to open it for writing waits
    assert await store.write(a_run("r1"), Plan()) is None
    assert await store.write(a_run("r2"), Plan()) is None
    assert store.lost == 2
    assert not list((tmp_path / "data").rglob("*r2"))
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    for _ in range(500):
        if kept := await store.write(a_run("r3"), Plan()):
            break
        await anyio.sleep(0.01)  # the thread that hung is on its way
    os.close(reader)
    assert kept


async def test_that_it_is_too_much_shows_without_looking_at_the_disk_again(tmp_path: Path) -> None:
    store = EvidenceStore(tmp_path / "data", EvidenceLimits(max_size=600_000))
    unseen = store.is_too_much  # nobody has looked yet at what an earlier run left
    await store.prune(DAY)
    assert (unseen, store.is_too_much) == (True, False)
    written = 0
    while not store.is_too_much:
        await store.write(a_run(f"r{written}", evidence=Evidence((BIG,))), Plan())
        written += 1
        assert written < 20
    assert ((await store.prune(DAY)).for_size > 0, store.is_too_much) == (True, False)
    assert len(left_in(tmp_path)) < written


def left_in(tmp_path: Path) -> set[str]:
    return {path.name for path in (tmp_path / "data" / "evidence").glob("*/*/*")}


async def test_passes_are_forgotten_before_failures_and_both_in_time(
    store: EvidenceStore, tmp_path: Path
) -> None:
    for age in (0, 6, 8, 29, 32):
        started = DAY - timedelta(days=age)
        await store.write(a_run(f"pass{age}", started=started), Plan())
        await store.write(a_run(f"fail{age}", started=started, code=FailureCode.TIMEOUT), Plan())
        await store.write(a_run(f"ours{age}", started=started, code=FailureCode.CANARY_FAILED), Plan())
    pruned = await store.prune(DAY)
    assert (pruned.for_age, pruned.for_size) == (5, 0)
    assert left_in(tmp_path) == {
        *("pass0", "fail0", "ours0"),
        *("pass6", "fail6", "ours6"),
        *("fail8", "ours8", "fail29", "ours29"),
    }
    days = {path.name for path in (tmp_path / "data" / "evidence").glob("*/*")}
    assert "2026-01-28" not in days


async def test_what_is_too_much_goes_oldest_passes_first_and_then_oldest_failures(tmp_path: Path) -> None:
    roomy = EvidenceStore(tmp_path / "data", EvidenceLimits())
    for number in range(4):
        for kind, code in (("fail", FailureCode.TIMEOUT), ("pass", None)):
            path = await roomy.write(a_run(f"{kind}{number}", code=code, evidence=Evidence((BIG,))), Plan())
            assert path is not None
            os.utime(tmp_path / "data" / path, (1_000_000 + number, 1_000_000 + number))
    each = (await roomy.prune(DAY)).left // 8
    assert each > 100_000
    tight = EvidenceStore(tmp_path / "data", EvidenceLimits(max_size=int(5.5 * each)))
    first = await tight.prune(DAY)
    assert left_in(tmp_path) == {"pass3", "fail0", "fail1", "fail2", "fail3"}
    assert (first.for_size, first.failures_for_size) == (3, 0)
    assert first.left <= 5.5 * each
    tighter = EvidenceStore(tmp_path / "data", EvidenceLimits(max_size=int(2.5 * each)))
    assert (await tighter.prune(DAY)).failures_for_size == 2
    assert left_in(tmp_path) == {"fail2", "fail3"}


async def test_a_record_in_the_making_is_left_alone_and_one_of_a_dead_process_is_not(
    store: EvidenceStore, tmp_path: Path
) -> None:
    path = await store.write(a_run(), Plan())
    assert path is not None
    day = (tmp_path / "data" / path).parent
    for name, age in ((".unfinished-new", 60), (".unfinished-old", 7200)):
        (day / name).mkdir()
        written = DAY.timestamp() - age
        os.utime(day / name, (written, written))
    await store.prune(DAY)
    assert {path.name for path in day.iterdir()} == {"r1", ".unfinished-new"}


async def test_what_a_link_points_to_is_nobodys_to_forget(store: EvidenceStore, tmp_path: Path) -> None:
    outside = tmp_path / "outside" / "2020-01-01" / "record"
    outside.mkdir(parents=True)
    root = tmp_path / "data" / "evidence"
    root.mkdir(parents=True)
    (root / "linked").symlink_to(tmp_path / "outside")
    (root / "acme.example").mkdir()
    (root / "acme.example" / "2020-01-01").symlink_to(outside.parent)
    assert (await store.prune(DAY)).for_age == 0
    assert outside.is_dir()


async def test_pruning_nothing_is_no_error(store: EvidenceStore) -> None:
    assert await store.prune(DAY) == Pruned(0, 0, 0, 0)


@pytest.mark.parametrize(
    ("make", "kept"),
    [
        (lambda n: a_run(f"r{n}"), 3),
        (lambda n: a_run(f"r{n}", code=FailureCode.TIMEOUT), 25),
        (lambda n: a_run(f"r{n}", code=FailureCode.DNS, evidence=Evidence()), 25),
        (lambda n: a_run(f"r{n}", code=FailureCode.OVERLOADED), 25),
        (lambda n: a_run(f"r{n}", code=FailureCode.OVERLOADED, evidence=Evidence()), 0),
        (lambda n: a_run(f"r{n}", origin=Origin.MANUAL), 25),
        (lambda n: a_run(f"r{n}", f"t{n}.example"), 25),
        (lambda n: a_run(f"r{n}", probe=f"p{n % 2}"), 4),
    ],
    ids=[
        *("passes", "failures", "without a message", "inconclusive", "nothing to tell", "by hand", "tenants"),
        "two probes of a flow in turn",
    ],
)
async def test_which_records_are_kept(
    store: EvidenceStore, tmp_path: Path, make: Callable[[int], ProbeRun], kept: int
) -> None:
    paths = [await kept_of(store, make(number)) for number in range(25)]
    assert sum(path is not None for path in paths) == len(left_in(tmp_path)) == kept
    if kept:
        assert paths[0] is not None


async def test_every_pass_is_kept_where_that_is_asked(tmp_path: Path) -> None:
    store = EvidenceStore(tmp_path, EvidenceLimits(every=1))
    assert [await kept_of(store, a_run(f"r{n}")) is not None for n in range(3)] == [True] * 3


async def test_a_failure_between_two_passes_puts_off_none_of_them(store: EvidenceStore) -> None:
    for number in range(9):
        await kept_of(store, a_run(f"r{number}"))
    assert await kept_of(store, a_run("r9", code=FailureCode.TIMEOUT)) is not None
    assert [await kept_of(store, a_run(f"r{n}")) is not None for n in range(10, 13)] == [False, True, False]


async def test_a_pass_that_was_not_asked_for_evidence_is_not_kept_whatever_the_engine_gave(
    store: EvidenceStore,
) -> None:
    assert await store.keep(a_run(), Plan(), passes=False) is None


async def test_a_record_says_how_the_probe_was_done_and_no_header_of_the_operators(
    store: EvidenceStore, tmp_path: Path
) -> None:
    plan = Plan(number="600", headers=(("X-Key", "sesame"),), outbound_proxy="sip:10.0.0.1")
    path = await store.write(a_run(), plan)
    assert path is not None
    text = (tmp_path / "data" / path / "evidence.json").read_text()
    record = json.loads(text)
    assert record["plan"] == {"number": "600", "headers": ["X-Key"], "outbound_proxy": "sip:10.0.0.1"}
    assert (record["engine"], record["location"], record["counts"]) == ("sippy", "mtl1", {})
    assert "sesame" not in text
    capture = (tmp_path / "data" / path / "messages.pcap").read_bytes()
    assert b"REGISTER sip:x SIP/2.0" in capture


async def test_a_record_says_what_was_asked_of_media_and_what_each_side_heard(
    store: EvidenceStore, tmp_path: Path
) -> None:
    run = a_run(code=FailureCode.POOR_MEDIA)
    media = (a_stream("callee", lost=25, digits="159#"), a_stream("caller", sent=None, rtt=None, mos=None))
    plan = Plan(media=MediaPlan(3.0, Hears.VOICE, "159#", 3.6, ("PCMA",)))
    path = await store.write(replace(run, result=replace(run.result, media=media)), plan)
    assert path is not None
    record = json.loads((tmp_path / "data" / path / "evidence.json").read_text())
    assert record["plan"] == {
        "media": {"seconds": 3.0, "hears": "voice", "dtmf": 4, "mos": 3.6, "codecs": ["PCMA"]}
    }
    heard = tuple(map(stream_from_json, record["media"]))
    assert heard == (replace(media[0], digits="xxxx"), media[1])
    assert [one["loss_ratio"] for one in record["media"]] == [0.2, 0.0]


async def test_the_record_of_a_probe_without_media_says_that_nothing_was_listened_to(
    store: EvidenceStore, tmp_path: Path
) -> None:
    path = await store.write(a_run(), Plan())
    assert path is not None
    record = json.loads((tmp_path / "data" / path / "evidence.json").read_text())
    assert (record["media"], record["plan"]) == ([], {})


async def test_which_digits_came_is_kept_where_they_are_what_is_wrong_alone(
    store: EvidenceStore, tmp_path: Path
) -> None:
    plan = Plan(media=MediaPlan(dtmf="159#"))
    for number, (code, digits) in enumerate([(FailureCode.NO_DTMF, "159"), (FailureCode.POOR_MEDIA, "xxx")]):
        run = a_run(f"digits-{number}", code=code)
        run = replace(run, result=replace(run.result, media=(a_stream("callee", digits="159"),)))
        path = await store.write(run, plan)
        record = json.loads((tmp_path / "data" / str(path) / "evidence.json").read_text())
        assert [one["digits"] for one in record["media"]] == [digits]
