"""`dialtone serve` as a process: how it ends, what it shares, and a disk or a port that it can't have."""

import json
import os
import re
import shutil
import signal
import subprocess
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import pytest

from tests.fakes.sip_server import Manner, SipServer
from tests.fakes.webhook_receiver import receiving
from tests.integration.service import (
    ACME,
    BOLT,
    PLATFORM,
    command,
    descendants,
    dialtone,
    runs,
    serving,
    shown_to_others,
    until,
    write_config,
    write_private,
)

pytestmark = pytest.mark.integration

PASSWORD: Final = "planted-7718-phone"
USERS: Final = {"100": PASSWORD, "101": PASSWORD}


def a_probe(flow: str, target: str, **changes: object) -> dict[str, object]:
    return {"name": flow, "flow": flow, "target": target, "interval": "3s", "timeout": "0.9s"} | changes


@asynccontextmanager
async def a_server(
    manner: Manner = Manner.PROPER, passwords: Mapping[str, str] = USERS
) -> AsyncIterator[SipServer]:
    async with SipServer(passwords, manner, ACME) as server:
        yield server


async def test_sigterm_in_the_middle_of_a_call_ends_everything_within_5_seconds_with_0(
    tmp_path: Path,
) -> None:
    phones = {str(user): PASSWORD for user in range(100, 220)}
    async with a_server(Manner.RINGS_FOREVER, phones) as sip:
        # A scheduled probe begins anywhere in its first interval: there are many, so that one begins soon.
        probes = [
            a_probe("call", sip.target, name=f"call{number}", interval="2m", timeout="50s")
            for number in range(60)
        ]
        config = write_config(tmp_path, accounts={ACME: phones}, probes=probes)
        async with serving(config) as service:

            async def ringing() -> bool:
                return "INVITE" in sip.methods()

            await until("a call rings", ringing)
            children = descendants(service.process.pid)
            assert children, "the engine is a process of its own"
            assert await service.stop() == 0
        assert not [pid for pid in children if runs(pid)]
        assert "Traceback" not in service.log.read_text()
        assert not service.logged("not everything ended in time")
    # What was ended half-way is nobody's failure.
    assert not service.logged("alert.firing")


async def test_a_second_serve_on_the_same_port_is_6_and_the_first_does_not_notice(tmp_path: Path) -> None:
    async with serving(write_config(tmp_path)) as first:
        place = first.base.removeprefix("http://")
        second = await dialtone("serve", write_config(tmp_path, name="second.yaml", listen=place))
        assert (second.code, second.out) == (6, "")
        assert second.err.startswith(f"dialtone: can't listen on {place}: another program holds it")
        assert "Traceback" not in second.err
        assert not (tmp_path / "second.yaml.data").exists()
        assert await first.ask("/healthz") == (200, "ok\n")
        assert await first.ask("/readyz") == (200, "ready\n")
        assert await first.stop() == 0


async def test_a_token_shows_a_tenant_its_own_and_nothing_of_others(tmp_path: Path) -> None:
    tokens = {"ops": PLATFORM, "ntek": f"ntek.{PLATFORM}", "acme": ACME}
    for name in tokens:
        write_private(tmp_path / name, f"token-of-{name}-0123456789\n")
    async with a_server() as sip:
        config = write_config(
            tmp_path,
            accounts={ACME: USERS, BOLT: {"100": PASSWORD}},
            nodes=[{"name": "sip1", "kind": "opensips", "mi": "http://127.0.0.1:9/mi", "interval": "1s"}],
            probes=[a_probe("register", sip.target)],
            access={"tokens": [{"name": n, "scope": s, "token": {"file": n}} for n, s in tokens.items()]},
        )
        async with serving(config) as service:
            ops, acme = "token-of-ops-0123456789", "token-of-acme-0123456789"

            async def seen() -> bool:
                found = (await service.api("/results", token=ops))["items"]
                alerts = (await service.api("/alerts", token=ops))["items"]
                return {r["tenant"] for r in found} == {ACME, BOLT} and any(a["node"] for a in alerts)

            await until("both tenants were probed and an alert is about the node", seen)
            for path in ("/api/v1/status", "/api/v1/results", "/metrics", "/"):
                assert (await service.ask(path))[0] == 401
                assert (await service.ask(path, token="token-of-nobody-0123456789"))[0] == 401
            for path in ("/status", "/tenants", "/results", "/alerts", "/nodes"):
                body = json.dumps(await service.api(path, token=acme))
                assert BOLT not in body
                assert "sip1" not in body
                assert f'"ntek.{PLATFORM}"' not in body
            assert {r["tenant"] for r in (await service.api("/results", token=acme))["items"]} == {ACME}
            assert BOLT not in (await service.ask("/", token=acme))[1]
            foreign = next(
                r for r in (await service.api("/results", token=ops))["items"] if r["tenant"] == BOLT
            )
            for path in (f"/results/{foreign['id']}", f"/tenants/{BOLT}", "/nodes/sip1"):
                assert (await service.ask(f"/api/v1{path}", token=acme))[0] == 404
                assert (await service.ask(f"/api/v1{path}", token=ops))[0] == 200
            assert (await service.ask("/metrics", token=acme))[0] == 403
            assert BOLT in (await service.ask("/metrics", token=ops))[1]
            assert (await service.ask("/healthz"))[0] == 200
            assert await service.stop(signal.SIGINT) == 0
            assert "token-of-" not in service.log.read_text()


async def test_serve_never_takes_an_account_that_a_probe_by_hand_is_using(tmp_path: Path) -> None:
    accounts = {ACME: USERS, BOLT: {"100": PASSWORD}}
    async with a_server(Manner.SILENT) as sip:
        patient = a_probe("register", sip.target, interval="3m", timeout="1m")
        data = str(tmp_path / "data")
        by_hand = write_config(tmp_path, name="hand.yaml", data=data, accounts=accounts, probes=[patient])
        probes = [a_probe("register", sip.target, timeout="0.3s")]
        config = write_config(tmp_path, data=data, accounts=accounts, probes=probes)
        async with (
            command("probe", "register", by_hand, "--tenant", ACME),
            command("probe", "register", by_hand, "--tenant", BOLT),
        ):

            async def phones() -> set[str]:
                found = (re.search(r"sip:([^>;]+)", request.get("to")) for request in sip.requests)
                return {match[1] for match in found if match}

            async def both() -> bool:
                return {phone.partition("@")[2] for phone in await phones()} == {ACME, BOLT}

            await until("both hold a phone each", both)
            held = await phones()
            async with serving(config) as service:

                async def some() -> bool:
                    results = await service.results()
                    tried = [r for r in results if r["tenant"] == ACME]
                    return len(tried) >= 2 and any(r["tenant"] == BOLT for r in results)

                await until("serve has probed too", some)
                results = await service.results()
            # Phones are taken in turn, so without the lease every other probe would have had the held one.
            assert not {result["account"] for result in results} & held
            assert {r["failure"] for r in results if r["tenant"] == ACME} == {"timeout"}
            starved = [r for r in results if r["tenant"] == BOLT]
            assert {(r["outcome"], r["failure"]) for r in starved} == {("inconclusive", "account-busy")}
            assert not service.logged("alert.firing", tenant=BOLT)


def in_small_folder(folder: Path, kilobytes: int) -> Callable[[list[str]], list[str]]:
    """Return a wrapper that runs a program with a small disk of its own at `folder`, seen by it alone."""

    def wrap(argv: list[str]) -> list[str]:
        script = f'mount -t tmpfs -o size={kilobytes}k tmpfs "$0" && exec "$@"'
        return ["unshare", *namespaces(), "sh", "-c", script, str(folder), *argv]

    return wrap


def namespaces() -> list[str]:
    return ["--mount"] if os.geteuid() == 0 else ["--mount", "--map-root-user"]


@pytest.fixture
def small_disk(tmp_path: Path) -> Path:
    """Return a folder that a disk may be mounted at; skips where this machine doesn't let us."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if shutil.which("unshare") is None:
        pytest.skip("no unshare here, so no small disk")
    tried = subprocess.run(in_small_folder(folder, 64)(["true"]), capture_output=True, check=False)
    if tried.returncode != 0:
        pytest.skip(f"no disk of our own may be mounted here: {tried.stderr.decode().strip()}")
    return folder


def fill(folder: Path) -> Path:
    """Take all the room that is left in a folder."""
    filler = folder / "filler"
    with filler.open("ab", buffering=0) as file:
        try:
            while True:
                file.write(b"x" * 4096)
        except OSError:
            return filler


def figure(page: str, metric: str) -> float:
    """Return a metric's sum over its series, from /metrics."""
    return sum(
        float(line.rpartition(" ")[2]) for line in page.splitlines() if re.match(rf"{metric}[ {{]", line)
    )


async def test_a_disk_that_fills_up_stops_nothing_and_is_written_again_once_there_is_room(
    tmp_path: Path, small_disk: Path
) -> None:
    async with a_server() as sip, receiving() as receiver:
        config = write_config(
            tmp_path,
            data=str(small_disk),
            accounts={ACME: USERS},
            nodes=[{"name": "sip1", "kind": "opensips", "mi": "http://127.0.0.1:9/mi", "interval": "1s"}],
            probes=[a_probe("register", sip.target)],
            alerts={"receivers": [{"name": "ops", "url": receiver.url}]},
        )
        async with serving(config, wrapper=in_small_folder(small_disk, 2048)) as service:

            async def stored() -> int:
                return len(await service.results())

            async def refused() -> bool:
                return bool(service.logged("results can't be stored; they wait in memory"))

            await until("a result is stored", stored)
            # The disk is mounted for the service alone; /proc leads there.
            filler = fill(Path(f"/proc/{service.process.pid}/root{small_disk}"))
            await until("the full disk is noticed", refused)
            before = await stored()
            polled = (await service.nodes())["sip1"]["polled_at"]
            sip.manner = Manner.FAILS

            async def told(status: str) -> list[Any]:
                about = {"alertname": "ProbeFailing", "tenant": ACME}
                return [
                    b
                    for b in receiver.bodies
                    if b["status"] == status and about.items() <= b["groupLabels"].items()
                ]

            await until("an alert of a probe goes out, disk or not", lambda: told("firing"))

            async def goes_on() -> bool:
                waiting = figure((await service.ask("/metrics"))[1], "dialtone_results_waiting")
                return (await service.nodes())["sip1"]["polled_at"] > polled and waiting > 0

            await until("polls and figures go on without the store", goes_on)
            assert await stored() == before
            assert (await service.ask("/healthz"))[0] == 200
            assert len(service.logged("results can't be stored; they wait in memory")) == 1
            sip.manner = Manner.PROPER
            filler.unlink()

            async def complete() -> bool:
                page = (await service.ask("/metrics"))[1]
                return await stored() == figure(page, "dialtone_probe_outcome_total") > before

            await until("all results are stored, also those of meanwhile", complete)
            await until("the end of the alert goes out", lambda: told("resolved"))
            assert len(service.logged("results are stored again")) == 1
            assert figure((await service.ask("/metrics"))[1], "dialtone_results_lost_total") == 0
            assert await service.stop() == 0
        assert "Traceback" not in service.log.read_text()


async def test_a_disk_that_is_full_at_the_start_is_7_in_clear_words(tmp_path: Path, small_disk: Path) -> None:
    config = write_config(tmp_path, data=str(small_disk / "data"))
    script = f'dd if=/dev/zero of="{small_disk}/filler" bs=4096 2>/dev/null; exec "$@"'

    def wrapper(argv: list[str]) -> list[str]:
        return in_small_folder(small_disk, 64)(["sh", "-c", script, "sh", *argv])

    with pytest.raises(AssertionError, match=r"disk is full|No space left"):
        async with serving(config, wrapper=wrapper):
            pass
    log = config.with_suffix(".log").read_text()
    assert log.startswith(f"dialtone: {small_disk}/data")
    assert "Traceback" not in log


async def test_serve_gives_its_secrets_to_nobody(tmp_path: Path) -> None:
    database, token = "planted-7718-database", "planted-7718-token-0123456789"
    async with a_server() as sip:
        config = write_config(
            tmp_path,
            accounts={ACME: USERS},
            nodes=[
                {
                    "name": "db1",
                    "kind": "mysql",
                    "dsn": "mysql://u@127.0.0.1:9",
                    "password": {"env": "DB_PASSWORD"},
                    "interval": "1s",
                }
            ],
            probes=[a_probe("call", sip.target, interval="6s", timeout="2.5s")],
            access={"tokens": [{"name": "ops", "scope": PLATFORM, "token": {"env": "API_TOKEN"}}]},
        )
        env = {"DB_PASSWORD": database, "API_TOKEN": token}
        async with serving(config, env=env) as service:

            async def passed() -> bool:
                status = await service.api("/status", token=token)
                return bool(status["counts"]["flows"]["pass"])

            await until("a call passed", passed)
            said = service.log.read_text()
            for path in ("/metrics", "/api/v1/status", "/api/v1/nodes/db1", "/api/v1/results", "/"):
                said += (await service.ask(path, token=token))[1]
            children = descendants(service.process.pid)
            assert children
            said += "".join(map(shown_to_others, children))
            assert await service.stop() == 0
    kept = [path for path in (tmp_path / "dialtone.yaml.data").rglob("*") if path.is_file()]
    assert any(path.name == "evidence.json" for path in kept)
    for file in kept:
        assert b"planted-7718" not in file.read_bytes(), file
        assert file.stat().st_mode & 0o077 == 0, file
    assert "planted-7718" not in said + service.log.read_text()
