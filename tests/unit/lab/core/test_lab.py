"""Labs come up whole or not at all, and go down without a trace."""

import asyncio
import json
import os
import signal
import time
from collections.abc import AsyncIterator
from pathlib import Path

import anyio
import pytest
import yaml

from lab import lab
from lab.base import LabError
from lab.debian import default_cache
from lab.files import locked
from lab.proc import look_up
from lab.processes import LabProcesses

PARTS = "tests.fakes.lab_parts:"


@pytest.fixture
async def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Path]:
    """Give labs a folder and parts that sleep; end what the test leaves."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    _parts(monkeypatch, sip="GoodPart", mysql="PairPart")
    yield tmp_path / "labs"
    for name in ("default", "other"):
        await lab.down(name, root=tmp_path / "labs")


def _parts(monkeypatch: pytest.MonkeyPatch, **classes: str) -> None:
    monkeypatch.setattr(lab, "PARTS", {name: PARTS + found for name, found in classes.items()})


def _pids(home: Path) -> list[int]:
    return [json.loads(path.read_text())["pid"] for path in (home / "run").glob("*.json")]


def _runs(pid: int) -> bool:
    found = look_up(pid)
    return found is not None and found.runs


async def test_up_returns_when_all_answer_with_files_that_fit(root: Path) -> None:
    state = await lab.up(root=root)
    assert state.runs
    assert not state.already
    assert [part.says for part in state.parts] == ["a front that only sleeps", "a pair that only sleeps"]
    tree = yaml.safe_load(state.config.read_text())
    ports = json.loads((state.root / "ports.json").read_text())
    assert tree["listen"] == f"127.0.0.1:{ports['dialtone']}"
    assert [node["name"] for node in tree["nodes"]] == ["sip1", "db1"]
    assert tree["topologies"] == [{"name": "main", "nodes": ["db1"]}]
    assert len(tree["tenants"]) == 8
    assert {(p["flow"], p["target"]) for p in tree["probes"]} == {
        (flow, f"sip:127.0.0.1:{ports['sip']};transport=udp") for flow in ("register", "call")
    }
    assert (state.root / "secrets/db").read_text() == "geheim"
    private = ("secrets/db", "accounts.csv", "dialtone.yaml", "lab.json")
    assert {(state.root / name).stat().st_mode & 0o777 for name in private} == {0o600}
    assert "geheim" not in state.config.read_text()


async def test_a_lab_that_runs_is_left_alone(root: Path) -> None:
    first = await lab.up(root=root)
    pids = _pids(first.root)
    again = await lab.up(root=root, only=["mysql"])
    assert again.already
    assert _pids(first.root) == pids
    assert lab.status(root=root) == first


async def test_a_part_without_the_front_gets_no_probes(root: Path) -> None:
    state = await lab.up(root=root, only=["mysql"])
    assert yaml.safe_load(state.config.read_text())["probes"] == []
    with pytest.raises(LabError, match="runs already, without sip: end it first"):
        await lab.up(root=root)


async def test_down_leaves_no_process_and_no_port_and_may_be_said_twice(root: Path) -> None:
    state = await lab.up(root=root)
    pids = _pids(state.root)
    assert await lab.down(root=root)
    assert not any(map(_runs, pids))
    assert json.loads((root.parent / "state/dialtone/ports.json").read_text()) == {}
    assert lab.status(root=root) is None
    assert not await lab.down(root=root)
    assert not await lab.down("never-was", root=root)
    assert not (root / "never-was").exists()


async def test_a_lab_that_comes_up_again_has_the_same_passwords(root: Path) -> None:
    accounts = (await lab.up(root=root)).root / "accounts.csv"
    before = accounts.read_text()
    await lab.down(root=root)
    await lab.up(root=root)
    assert accounts.read_text() == before


async def test_what_a_crashed_lab_left_is_cleaned_first(root: Path) -> None:
    first = await lab.up(root=root)
    pids = _pids(first.root)
    os.kill(pids[0], signal.SIGKILL)
    deadline = time.monotonic() + 10
    while LabProcesses(first.root).alive("sip") == LabProcesses(first.root).alive("mysql"):
        assert time.monotonic() < deadline
        await anyio.sleep(0.01)
    crashed = lab.status(root=root)
    assert crashed is not None
    assert not crashed.runs
    second = await lab.up(root=root)
    assert second.runs
    assert not second.already
    assert not any(map(_runs, pids))


async def test_a_lab_that_crashed_while_starting_is_cleaned_by_down(root: Path) -> None:
    state = await lab.up(root=root)
    (state.root / "lab.json").unlink()
    pids = _pids(state.root)
    assert await lab.down(root=root)
    assert not any(map(_runs, pids))


async def test_a_part_that_fails_takes_the_rest_down(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _parts(monkeypatch, sip="EndlessPart", asterisk="FailingPart")
    with pytest.raises(LabError, match="asterisk: it ended\nno such codec"):
        await lab.up(root=root)
    assert _pids(root / "default") == []
    assert lab.status(root=root) is None
    assert not (root / "default/dialtone.yaml").exists()
    assert not (root / "default/ports.json").exists()


async def test_who_gives_up_waiting_leaves_nothing_behind(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _parts(monkeypatch, sip="EndlessPart")
    with anyio.fail_after(60):
        async with anyio.create_task_group() as group:

            async def starting() -> None:
                await lab.up(root=root)

            group.start_soon(starting)
            pids: list[int] = []
            for _ in range(1000):
                if pids := _pids(root / "default"):
                    break
                await anyio.sleep(0.01)
            group.cancel_scope.cancel()
    assert pids
    assert not any(map(_runs, pids))
    assert _pids(root / "default") == []


async def test_nothing_is_started_when_something_is_missing(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _parts(monkeypatch, mysql="PairPart", sip="LackingPart")
    with pytest.raises(
        LabError, match="lacks what the lab needs:\n  sip: kamailio: apt-get install kamailio"
    ):
        await lab.up(root=root)
    assert _pids(root / "default") == []


async def test_two_labs_share_nothing(root: Path) -> None:
    one, two = await lab.up(root=root), await lab.up("other", root=root)
    ports = [set(json.loads((state.root / "ports.json").read_text()).values()) for state in (one, two)]
    assert not ports[0] & ports[1]
    await lab.down(root=root)
    left = lab.status("other", root=root)
    assert left == two
    assert left.runs


async def test_two_commands_do_not_work_on_one_lab(root: Path) -> None:
    (root / "default").mkdir(parents=True)
    with locked(root / "default/.lock", busy="the test"):
        for command in (lab.up, lab.down):
            with pytest.raises(LabError, match="another command is working on the lab default"):
                await command(root=root)


@pytest.mark.parametrize("name", ["", "../etc", "A", "a b", "-x", "x" * 33])
def test_a_name_that_is_no_name_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(LabError, match="can't be a lab's name"):
        asyncio.run(lab.up(name, root=tmp_path))
    assert list(tmp_path.iterdir()) == []


async def test_an_unknown_part_is_refused_with_those_there_are(root: Path) -> None:
    with pytest.raises(LabError, match="no part 'redis'; it has sip, mysql"):
        await lab.up(root=root, only=["redis"])


def test_labs_live_under_the_xdg_folders(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", "/srv/state")
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    monkeypatch.setenv("HOME", "/home/alice")
    assert lab.state_root() == Path("/srv/state/dialtone/labs")
    assert default_cache() == Path("/home/alice/.cache/dialtone")
