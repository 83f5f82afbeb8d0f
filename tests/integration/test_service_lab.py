"""`dialtone serve` on a real platform: what is broken is named, what is not goes on, and people are told."""

import json
import os
import re
import shutil
import signal
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import anyio
import pytest

from lab.processes import LabProcesses
from lab.state import LabState
from tests.fakes.webhook_receiver import WebhookReceiver, receiving
from tests.integration.service import ACME, BOLT, Service, serving, until, write_private
from tests.integration.whole_lab import document_of, put_config, running_lab

pytestmark = pytest.mark.integration

WRONG: Final = "planted-7719-wrong"


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LabState]:
    with running_lab("service", tmp_path_factory.mktemp("labs")) as state:
        yield state


def a_config(platform: LabState, folder: Path, **changes: Any) -> Path:
    """Write a configuration for the platform that asks every second, with these top-level keys changed."""
    document = document_of(platform)
    for node in document["nodes"]:
        node |= {"interval": "1s", "timeout": "0.9s"}
    for probe in document["probes"]:
        probe |= {"interval": "5s", "timeout": "1.9s"}
        probe.pop("media", None)  # it takes longer
    document |= {"listen": "127.0.0.1:0", "topologies": [], "caps": {"calls_per_second": 50}}
    return put_config(platform, folder, document | changes)


def nodes_of(platform: LabState) -> list[dict[str, Any]]:
    nodes: list[dict[str, Any]] = document_of(platform)["nodes"]
    return [node | {"interval": "1s", "timeout": "0.9s"} for node in nodes]


def receivers(receiver: WebhookReceiver) -> Mapping[str, object]:
    return {"receivers": [{"name": "ops", "url": receiver.url}]}


def about(receiver: WebhookReceiver, status: str, **labels: str) -> list[dict[str, Any]]:
    """Return the alerts that came with this status and these labels."""
    alerts = [alert for body in receiver.bodies for alert in body["alerts"]]
    return [a for a in alerts if a["status"] == status and labels.items() <= a["labels"].items()]


async def all_flows_passed(service: Service) -> bool:
    tenants = (await service.api("/tenants"))["items"]
    clients = [tenant for tenant in tenants if tenant["level"] == "client"]
    passed = [{f["flow"] for f in client["flows"] if f["outcome"] == "pass"} for client in clients]
    return all(flows == {"register", "call"} for flows in passed)


async def test_three_broken_nodes_are_named_and_keep_nothing_else_from_going_on(
    platform: LabState, tmp_path: Path
) -> None:
    good = {node["name"]: node for node in nodes_of(platform)}
    write_private(tmp_path / "wrong", WRONG)
    broken = [
        good["sip1"] | {"name": "gone", "mi": "http://127.0.0.1:9/mi"},
        # Asterisk takes a second to refuse a login.
        good["pbx1"]
        | {"name": "pbx-locked", "password": {"file": "wrong"}, "interval": "3s", "timeout": "2.5s"},
        good["db1"] | {"name": "db-locked", "password": {"file": "wrong"}},
    ]
    config = a_config(platform, tmp_path, nodes=[*broken, *good.values()])
    async with serving(config) as service:
        polls: set[str] = set()

        async def settled() -> bool:
            nodes = await service.nodes()
            if len(nodes) < len(good) + len(broken):
                return False
            polls.add(nodes["gone"]["polled_at"])
            return (
                len(polls) >= 3
                and all(nodes[name]["up"] for name in good)
                and await all_flows_passed(service)
            )

        await until("the good nodes are read, all flows pass, the bad node was tried thrice", settled)
        nodes = await service.nodes()
        assert {name: nodes[name]["failure"] for name in ("gone", "pbx-locked", "db-locked")} == {
            "gone": "connect",
            "pbx-locked": "auth",
            "db-locked": "auth",
        }
        assert all(nodes[name]["detail"] for name in ("gone", "pbx-locked", "db-locked"))
        for name in ("gone", "pbx-locked", "db-locked"):
            assert len(service.logged("node is down", node=name)) == 1
        assert len(service.logged("node is down")) == 3
        assert "fail" not in {r["outcome"] for r in await service.results()}
        assert (await service.ask("/readyz"))[0] == 200
        status, page = await service.ask("/metrics")
        assert status == 200
        up = dict(re.findall(r'^dialtone_up\{kind="\w+",node="([^"]+)"\} ([01])\.0$', page, re.MULTILINE))
        assert up == dict.fromkeys(good, "1") | {"gone": "0", "pbx-locked": "0", "db-locked": "0"}
        if shutil.which("promtool"):
            checked = await anyio.run_process(
                ["promtool", "check", "metrics"], input=page.encode(), check=False
            )
            assert (checked.returncode, checked.stdout, checked.stderr) == (0, b"", b"")
        assert await service.stop() == 0
    log = service.log.read_text()
    assert WRONG not in log + page
    assert "Traceback" not in log


async def test_a_node_that_dies_and_comes_back_is_two_webhooks_and_read_again(
    platform: LabState, tmp_path: Path
) -> None:
    async with receiving() as receiver:
        config = a_config(platform, tmp_path, alerts=receivers(receiver))
        async with serving(config) as service:

            async def read(up: bool) -> bool:
                nodes = await service.nodes()
                return len(nodes) == 4 and nodes["pbx1"]["up"] is up

            await until("pbx1 is read", lambda: read(True))
            with dead(platform, "asterisk"):

                async def told() -> list[dict[str, Any]]:
                    return about(receiver, "firing", alertname="NodeDown", node="pbx1")

                fired = (await until("the webhook of the node that died", told))[0]
                assert await read(False)
                others = await service.nodes()
                assert all(others[name]["up"] for name in ("sip1", "db1", "db2"))

            async def resolved() -> list[dict[str, Any]]:
                return about(receiver, "resolved", alertname="NodeDown", node="pbx1")

            ended = (await until("the webhook of the node that came back", resolved))[0]
            await until("pbx1 is read again", lambda: read(True))
            body = (await service.api("/nodes/pbx1"))["samples"]
            assert body, "its figures are back"
            assert fired["fingerprint"] == ended["fingerprint"]
            assert fired["startsAt"] == ended["startsAt"] < ended["endsAt"]
            assert {b["version"] for b in receiver.bodies} == {"4"}
            assert {b["externalURL"] for b in receiver.bodies} == {service.base}
            assert len(about(receiver, "firing")) == len(about(receiver, "resolved")) == 1
            assert len(service.logged("node is down", node="pbx1")) == 1
            assert len(service.logged("node is back", node="pbx1")) == 1
            assert await service.stop() == 0


async def test_a_tenant_with_a_wrong_password_fails_twice_and_is_told_of_and_no_other(
    platform: LabState, tmp_path: Path
) -> None:
    async with receiving() as receiver:
        config = a_config(platform, tmp_path, nodes=[], alerts=receivers(receiver))
        rows = (tmp_path / "accounts.csv").read_text().splitlines()
        spoilt = [f"{row.rpartition(',')[0]},{WRONG}" if row.startswith(f"{BOLT},") else row for row in rows]
        write_private(tmp_path / "accounts.csv", "\n".join(spoilt) + "\n")
        async with serving(config) as service:

            async def told() -> bool:
                return {a["labels"]["flow"] for a in about(receiver, "firing")} == {"register", "call"}

            await until("both flows of the tenant are told of", told)

            async def others() -> bool:
                tenants = {r["tenant"] for r in await service.results() if r["outcome"] == "pass"}
                return len(tenants) == 5

            await until("the other tenants were probed", others)
            results = await service.results()
            failed = [r for r in results if r["outcome"] == "fail"]
            assert {r["tenant"] for r in failed} == {BOLT}
            assert {r["failure"] for r in failed} == {"auth"}
            assert [r["attempt"] for r in failed if r["flow"] == "register"][:2] == [1, 2]
            assert {a["labels"]["tenant"] for a in about(receiver, "firing")} == {BOLT}
            assert {a["labels"]["alertname"] for a in about(receiver, "firing")} == {"ProbeFailing"}
            assert not about(receiver, "resolved")
            second = min(r["started"] for r in failed if r["flow"] == "register" and r["attempt"] == 2)
            (alert,) = about(receiver, "firing", flow="register")
            assert alert["startsAt"][:19] >= second[:19], "it fires after the confirmation, not before"
            assert WRONG not in json.dumps(receiver.bodies) + service.log.read_text()
            assert await service.stop() == 0
    for file in (tmp_path / "data").rglob("*"):
        assert not file.is_file() or WRONG.encode() not in file.read_bytes(), file


async def test_a_killed_engine_loses_its_probes_and_fails_nobody(platform: LabState, tmp_path: Path) -> None:
    async with receiving() as receiver:
        config = a_config(platform, tmp_path, nodes=[], alerts=receivers(receiver))
        async with serving(config) as service:
            await until("all flows passed", lambda: all_flows_passed(service))
            worker = service.logged("child started")[-1]["pid"]
            with frozen(platform, front_of(platform)):
                # What is asked now stays unanswered, so probes are under way when the worker goes.
                port = int(platform.addresses["sip"].rpartition(":")[2])

                async def asked() -> bool:
                    return waiting_bytes(port) > 0

                await until("a probe has asked", asked)
                os.kill(worker, signal.SIGKILL)

                async def noticed() -> bool:
                    return bool(service.logged("child died", pid=worker))

                await until("its end is noticed", noticed)

            async def lost() -> list[dict[str, Any]]:
                return [r for r in await service.results() if r["failure"] == "engine-crashed"]

            crashed = await until("the lost probes have results", lost)

            async def passes_again() -> bool:
                results = await service.results(f"&tenant={ACME}")
                after = [r for r in results if r["started"] > crashed[-1]["started"]]
                return {r["flow"] for r in after if r["outcome"] == "pass"} == {"register", "call"}

            await until("the next probes pass", passes_again)
            assert {r["outcome"] for r in crashed} == {"inconclusive"}
            assert "fail" not in {r["outcome"] for r in await service.results()}
            assert len(service.logged("child died")) == 1
            assert not receiver.bodies, "nobody is called out of bed for a fault of ours"
            assert not (await service.api("/alerts"))["items"], "not even a pending one"
            assert await service.stop() == 0


def front_of(platform: LabState) -> str:
    """Return the program that is the SIP front of this lab."""
    return next(
        name for name in ("opensips", "kamailio") if (platform.root / "run" / f"{name}.json").exists()
    )


def session_of(platform: LabState, program: str) -> list[int]:
    """Return the processes of one of the lab's programs."""
    leader = json.loads((platform.root / "run" / f"{program}.json").read_text())["pid"]
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if int(fields[3]) == leader:
            found.append(int(stat.parent.name))
    return found


@contextmanager
def frozen(platform: LabState, program: str) -> Iterator[None]:
    """Have a program stand still for the time of the block."""
    pids = session_of(platform, program)
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


@contextmanager
def dead(platform: LabState, program: str) -> Iterator[None]:
    """Kill a program of the lab, and start it as it was after the block."""
    processes = LabProcesses(platform.root)
    pid = json.loads((platform.root / "run" / f"{program}.json").read_text())["pid"]
    argv = Path(f"/proc/{pid}/cmdline").read_text().rstrip("\0").split("\0")
    folder = Path(f"/proc/{pid}/cwd").readlink()
    os.kill(pid, signal.SIGKILL)
    processes.stop(program)
    try:
        yield
    finally:
        processes.start(program, argv, cwd=folder, env={"HOME": str(folder)})


def waiting_bytes(port: int) -> int:
    """Return how much a UDP socket has received that nobody has read: proc(5), /proc/net/udp."""
    rows = [line.split() for line in Path("/proc/net/udp").read_text().splitlines()[1:]]
    return sum(int(row[4].partition(":")[2], 16) for row in rows if int(row[1].partition(":")[2], 16) == port)
