"""`dialtone` as people run it: a process of its own, its files on a disk, its sockets on loopback."""

import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from subprocess import DEVNULL
from typing import Any, Final, TypeVar

import aiohttp
import anyio
from anyio.abc import Process

T = TypeVar("T")

ACME: Final = "acme.ntek.clusterpbx.example"
BOLT: Final = "bolt.ntek.clusterpbx.example"
PLATFORM: Final = "clusterpbx.example"

_PAUSE: Final = 0.05
_START: Final = 30.0
_COMMAND: Final = 60.0


async def until(what: str, question: Callable[[], Awaitable[T]], *, seconds: float = 20.0) -> T:
    """Ask again and again until the answer is true, and return it; fails naming `what` was waited for."""
    answer = await question()
    with anyio.move_on_after(seconds):
        while not answer:
            await anyio.sleep(_PAUSE)
            answer = await question()
    assert answer, f"not within {seconds:g} s: {what}"
    return answer


@dataclass(frozen=True, slots=True)
class Finished:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


async def dialtone(*arguments: object) -> Finished:
    """Run a command to its end."""
    with anyio.fail_after(_COMMAND):
        done = await anyio.run_process(_argv(*arguments), check=False)
    return Finished(done.returncode, done.stdout.decode(), done.stderr.decode())


@asynccontextmanager
async def command(*arguments: object) -> AsyncIterator[Process]:
    """Run a command for the time of the block; what it says is thrown away."""
    process = await anyio.open_process(_argv(*arguments), stdin=None, stdout=DEVNULL, stderr=DEVNULL)
    try:
        yield process
    finally:
        if process.returncode is None:
            process.terminate()
        await process.aclose()


class Service:
    """A `dialtone serve` that runs."""

    def __init__(self, process: Process, log: Path, session: aiohttp.ClientSession) -> None:
        self.process = process
        self.log = log
        self.base = ""
        self._session = session

    def logged(self, event: str, **fields: object) -> list[dict[str, Any]]:
        """Return the lines of its log with this event and these fields."""
        lines = self.log.read_text().splitlines()
        entries = [json.loads(line) for line in lines if line.startswith("{") and line.endswith("}")]
        return [e for e in entries if e["event"] == event and fields.items() <= e.items()]

    async def ask(self, path: str, *, token: str | None = None) -> tuple[int, str]:
        """Return status and body of an answer."""
        headers = {"Authorization": f"Bearer {token}"} if token else None
        async with self._session.get(self.base + path, headers=headers) as answer:
            return answer.status, await answer.text()

    async def api(self, path: str, *, token: str | None = None) -> Any:
        """Return what the API answers."""
        status, body = await self.ask(f"/api/v1{path}", token=token)
        assert status == 200, body
        return json.loads(body)

    async def nodes(self) -> dict[str, Any]:
        """Return the nodes by name."""
        return {node["name"]: node for node in (await self.api("/nodes"))["items"]}

    async def results(self, query: str = "") -> list[dict[str, Any]]:
        """Return up to 1,000 results, oldest first."""
        return list(reversed((await self.api(f"/results?limit=1000{query}"))["items"]))

    async def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Send a signal; return the exit code, which must come within the 5 seconds that are promised."""
        self.process.send_signal(number)
        with anyio.fail_after(5.0):
            return await self.process.wait()


@asynccontextmanager
async def serving(
    config: Path,
    *,
    env: Mapping[str, str] | None = None,
    wrapper: Callable[[list[str]], list[str]] = lambda argv: argv,
) -> AsyncIterator[Service]:
    """Run `dialtone serve` for the time of the block; `wrapper` may put a program in front of it."""
    log = config.with_suffix(".log")
    with log.open("wb") as output:
        process = await anyio.open_process(
            wrapper(_argv("serve", config, "--log-format", "json")),
            stdin=None,
            stdout=output,
            stderr=output,
            env={**os.environ, **(env or {})},
        )
    timeout = aiohttp.ClientTimeout(total=10)
    try:
        async with aiohttp.ClientSession(timeout=timeout) as session:
            service = Service(process, log, session)

            async def address() -> str:
                assert process.returncode is None, log.read_text()
                told = service.logged("serving")
                return str(told[0]["address"]) if told else ""

            service.base = await until("the service says its address", address, seconds=_START)
            yield service
    finally:
        with anyio.CancelScope(shield=True):
            if process.returncode is None:
                process.terminate()
                with anyio.move_on_after(6):
                    await process.wait()
            if process.returncode is None:
                process.kill()
            await process.aclose()


def write_config(
    folder: Path,
    *,
    accounts: Mapping[str, Mapping[str, str]] | None = None,
    name: str = "dialtone.yaml",
    **changes: object,
) -> Path:
    """Write a configuration of two tenants, listening on a port that the system chooses; return its path.

    `accounts` are passwords by user, by tenant; `changes` are top-level keys.
    """
    rows = [
        f"{tenant},{user},,{password}\n"
        for tenant, users in (accounts or {}).items()
        for user, password in users.items()
    ]
    write_private(folder / f"{name}.csv", "tenant,user,auth_user,password\n" + "".join(rows))
    document = {
        "location": "mtl1",
        "data": f"{name}.data",
        "listen": "127.0.0.1:0",
        "platform": {"domain": PLATFORM},
        "tenants": [{"domain": f"ntek.{PLATFORM}"}, {"domain": ACME}, {"domain": BOLT}],
        "accounts": {"file": f"{name}.csv"},
    }
    # JSON is YAML, and says exactly what was meant.
    return write_private(folder / name, json.dumps(document | changes))


def write_private(path: Path, text: str) -> Path:
    path.write_text(text)
    path.chmod(0o600)
    return path


def descendants(pid: int) -> list[int]:
    """Return the processes below one, as /proc knows them."""
    parents: dict[int, int] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            # The name in the second field may hold anything; what follows its last bracket is plain.
            parents[int(stat.parent.name)] = int(stat.read_text().rpartition(")")[2].split()[1])
        except (FileNotFoundError, ProcessLookupError):
            continue
    found: list[int] = []
    wave = [pid]
    while wave:
        wave = [child for child, parent in parents.items() if parent in wave]
        found += wave
    return found


def runs(pid: int) -> bool:
    """Whether a process is there and no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def shown_to_others(pid: int) -> str:
    """Return what `ps` shows of a process, and its environment."""
    return "".join(Path(f"/proc/{pid}/{name}").read_text() for name in ("cmdline", "environ"))


def _argv(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "dialtone", *map(str, arguments)]
