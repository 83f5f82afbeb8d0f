"""The commands on a real platform: what they print, their exit codes, and nothing else on stdout."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import anyio
import pytest

from lab.state import LabState
from tests.fakes.sip_server import Manner, SipServer
from tests.integration.service import ACME, BOLT, Finished, dialtone, write_private
from tests.integration.whole_lab import document_of, put_config, running_lab

pytestmark = pytest.mark.integration

WRONG: Final = "planted-7720-wrong"


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LabState]:
    with running_lab("cli", tmp_path_factory.mktemp("labs")) as state:
        yield state


def a_config(platform: LabState, folder: Path, **changes: Any) -> Path:
    """Write the lab's configuration into a folder, with these top-level keys changed."""
    return put_config(platform, folder, document_of(platform) | changes)


def nodes_of(platform: LabState) -> list[dict[str, Any]]:
    nodes: list[dict[str, Any]] = document_of(platform)["nodes"]
    return nodes


def spoil(folder: Path, tenant: str) -> None:
    """Give all phones of a tenant a wrong password."""
    rows = (folder / "accounts.csv").read_text().splitlines()
    wrong = [f"{row.rpartition(',')[0]},{WRONG}" if row.startswith(f"{tenant},") else row for row in rows]
    write_private(folder / "accounts.csv", "\n".join(wrong) + "\n")


def files(folder: Path) -> list[Path]:
    """Return what was written into the data folders below this one."""
    return [path for path in folder.glob("*/data/**/*") if path.is_file()]


async def side_by_side(*commands: tuple[object, ...]) -> list[Finished]:
    """Run commands at the same time; return how they ended, in their order."""
    ended: dict[int, Finished] = {}

    async def one(number: int, arguments: tuple[object, ...]) -> None:
        ended[number] = await dialtone(*arguments)

    async with anyio.create_task_group() as tasks:
        for number, arguments in enumerate(commands):
            tasks.start_soon(one, number, arguments)
    for finished in ended.values():
        assert "Traceback" not in finished.err
        assert WRONG not in finished.out + finished.err
    return [ended[number] for number in range(len(commands))]


async def test_the_platform_is_checked_and_collected_in_every_format(
    platform: LabState, tmp_path: Path
) -> None:
    config = a_config(platform, tmp_path)
    checked, prometheus, as_json, table = await side_by_side(
        ("check", config),
        ("collect", config, "--format", "prometheus"),
        ("collect", config, "--format", "json"),
        ("collect", config, "--node", "db2"),
    )
    assert [end.code for end in (checked, prometheus, as_json, table)] == [0, 0, 0, 0]
    left_out = "note: topology main is left out: not all of its nodes were polled\n"
    assert [end.err for end in (checked, prometheus, as_json, table)] == ["", "", "", left_out]
    assert "good. Tenants: 9, nodes: 4, probes: 2 over 12 tenant flows." in checked.out
    for name, kind in (("sip1", "opensips"), ("pbx1", "asterisk"), ("db1", "mysql"), ("db2", "mysql")):
        assert f'dialtone_up{{kind="{kind}",node="{name}"}} 1.0\n' in prometheus.out
    states = {state["node"]: state for state in as_json.json}
    assert all(state["up"] and state["samples"] and state["info"]["version"] for state in states.values())
    assert {s["labels"]["node"] for state in states.values() for s in state["samples"]} == set(states)
    assert table.out.startswith("db2  mysql  up  ")
    assert "mysql_replication_sql_running" in table.out
    assert "db1  mysql" not in table.out
    if shutil.which("promtool"):
        promtool = await anyio.run_process(
            ["promtool", "check", "metrics"], input=prometheus.out.encode(), check=False
        )
        assert (promtool.returncode, promtool.stdout, promtool.stderr) == (0, b"", b"")


async def test_refused_credentials_are_5_and_outweigh_a_server_that_is_not_there(
    platform: LabState, tmp_path: Path
) -> None:
    good = {node["name"]: node for node in nodes_of(platform)}
    write_private(tmp_path / "wrong", WRONG)
    nodes = [
        good["sip1"],
        good["sip1"] | {"name": "gone", "mi": "http://127.0.0.1:9/mi"},
        good["pbx1"] | {"password": {"file": "wrong"}},
        good["db1"] | {"password": {"file": "wrong"}},
    ]
    config = a_config(platform, tmp_path, nodes=nodes, topologies=[])
    every, ami, sql, gone, well = await side_by_side(
        ("collect", config, "--format", "json"),
        ("collect", config, "--node", "pbx1"),
        ("collect", config, "--node", "db1", "--format", "prometheus"),
        ("collect", config, "--node", "gone", "--node", "sip1"),
        ("collect", config, "--node", "sip1"),
    )
    assert [end.code for end in (every, ami, sql, gone, well)] == [5, 5, 5, 4, 0]
    assert {state["node"]: state["failure"] for state in every.json} == {
        "sip1": None,
        "gone": "connect",
        "pbx1": "auth",
        "db1": "auth",
    }
    assert [line.partition(": ")[0] for line in every.err.splitlines()] == ["gone", "pbx1", "db1"]


async def test_probes_by_hand_pass_with_phases_ladder_and_0(platform: LabState, tmp_path: Path) -> None:
    config = a_config(platform, tmp_path)
    call, register, as_json, shouted = await side_by_side(
        ("probe", "call", config, "--tenant", ACME, "--engine", "sippy"),
        ("probe", "register", config, "--tenant", BOLT),
        ("probe", "register", config, "--tenant", BOLT, "--count", "3", "--format", "json"),
        ("probe", "register", config, "--tenant", f"{ACME.upper()}."),
    )
    assert [end.code for end in (call, register, as_json, shouted)] == [0, 0, 0, 0]
    lines = call.out.splitlines()
    assert lines[0] == f"call {ACME}"
    assert lines[2].startswith("  target  sip:127.0.0.1:")
    assert lines[3].startswith("PASS in ")
    shown = lines[4 : lines.index("phases:")]
    words = [line.split() for line in shown]
    assert [found[0] for found in words[:4]] == ["SRD", "PDD", "SDD", "SDT"]
    heading = next(found for found in words if found[0] == "media:")
    assert heading[-1] == "MOS"
    assert [found[-1][:3] for found in words if "hears" in found] == ["4.4", "4.4"]
    phases = lines[lines.index("phases:") + 1 :]
    for phase in ("callee registered", "answered", "hung up"):
        assert any(line.endswith(f" ms  {phase}") for line in phases)
    for message in (" INVITE ", " 180 INVITE ", " 200 INVITE ", " ACK ", " BYE ", " 200 BYE "):
        assert message in call.out
    assert max(len(line) for line in lines if not line.startswith("evidence  ")) <= 80
    assert "RRD" in register.out
    assert [run["outcome"] for run in as_json.json] == ["pass"] * 3
    assert len({run["id"] for run in as_json.json}) == 3
    for run in as_json.json:
        record = json.loads((tmp_path / "data" / run["evidence"] / "evidence.json").read_text())
        assert record["result"] == run["id"]


async def test_a_wrong_password_is_2_and_auth_and_silence_is_2_and_timeout(
    platform: LabState, tmp_path: Path
) -> None:
    async with SipServer({}, Manner.SILENT) as silent:
        probes = [
            {"name": f, "flow": f, "target": silent.target, "interval": "5s", "timeout": "2s"}
            for f in ("call", "register")
        ]
        folders = [tmp_path / name for name in ("refused", "silent", "nobody")]
        for folder in folders:
            folder.mkdir()
        refused = a_config(platform, folders[0])
        spoil(folders[0], BOLT)
        mute = a_config(platform, folders[1], probes=probes)
        nobody = a_config(platform, folders[2], probes=[p | {"target": "sip:127.0.0.1:9"} for p in probes])
        ends = await side_by_side(
            ("probe", "call", refused, "--tenant", BOLT, "--format", "json"),
            ("probe", "register", refused, "--tenant", BOLT),
            ("probe", "call", mute, "--tenant", ACME),
            ("probe", "call", nobody, "--tenant", ACME, "--format", "json"),
            ("probe", "register", nobody, "--tenant", ACME),
            # Another tenant's password is as right as it was.
            ("probe", "register", refused, "--tenant", ACME),
        )
    assert [end.code for end in ends] == [2, 2, 2, 2, 2, 0]
    assert ends[0].json[0]["failure"] == "auth"
    assert ends[1].out.splitlines()[3].startswith("FAIL auth in ")
    assert ends[2].out.splitlines()[3].startswith("FAIL timeout in ")
    assert ends[3].json[0]["failure"] == "timeout"
    assert ends[4].out.splitlines()[3].startswith("FAIL timeout in ")
    kept = files(tmp_path)
    assert len([file for file in kept if file.name == "evidence.json"]) >= len(ends) - 1
    assert not [file for file in kept if WRONG.encode() in file.read_bytes()]
