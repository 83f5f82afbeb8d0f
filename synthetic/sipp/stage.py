"""Running SIPp for a probe: a folder, a port and a scenario each, looked at and cued while it runs."""

import secrets
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Final, TypeVar

import anyio

from dialtone.model import FailureCode
from sipp_flows.roles import INJECTION, Cue, Note, Role
from synthetic.address import hostport
from synthetic.probes.base import FlowError
from synthetic.probes.runner import TIDY
from synthetic.probes.waiting import first_cause
from synthetic.sipp import files
from synthetic.sipp.errand import Errand, Way
from synthetic.sipp.lateness import LOOK, Watch
from synthetic.sipp.messages import parse_messages
from synthetic.sipp.process import SippRun, running
from synthetic.sipp.record import Leg, said
from synthetic.sipp.run import Finished, Invocation, Traced
from synthetic.sipp.threads import in_thread

START: Final = 5.0
"""How long SIPp may take to open its port, in seconds."""
PROMPT: Final = 1.0
"""How long it takes at most where the machine isn't overloaded, in seconds (measured: 0.05)."""
SLACK: Final = TIDY
"""How long past the probe's deadline a caller may go on, in seconds: it gives up then by CANCEL.

The scenario counts from when it began to ring, as SIPp has no time for more than one step.
"""
LIFETIME: Final = 60.0
"""How long past the deadline SIPp ends by itself, in seconds, should nobody be left to stop it."""
_SOON: Final = 0.02
_COUNT: Final = 0.2
_RATE: Final = 100.0
_MAX_TRACE: Final = 1024 * 1024
_CUED: Final = "sip:cue@dialtone.invalid"

T = TypeVar("T")


class Act:
    """One SIPp that runs: its process, its folder, and what is seen of it from outside."""

    def __init__(
        self, errand: Errand, party: str, way: Way, run: SippRun, folder: Path, local_port: int
    ) -> None:
        self.party = party
        self.folder = folder
        self.run = run
        self.watch = Watch(run.pid, local_port, errand.clock.monotonic())
        self._errand = errand
        self._way = way
        self._local = (way.host, local_port)

    async def ended(self, within: float) -> Finished:
        """Wait until it has ended, else end it."""
        return await self.waited_for(within) or await self.stopped()

    async def waited_for(self, within: float) -> Finished | None:
        """Wait for its end, None where it goes on."""
        try:
            return await self.run.ended(within)
        except TimeoutError:
            return None

    async def stopped(self) -> Finished:
        """Look at its process for the last time, and end it."""
        await self.look()
        return await self.run.stop()

    async def look(self) -> None:
        """Look at its process once: whether it could run, and what its socket has lost."""
        self.watch.look(self._errand.clock.monotonic())
        await in_thread(self.watch.count)

    async def watched(self) -> None:
        """Look at its process until it has ended. Each SIPp has this beside it, whoever else waits for it."""
        clock = self._errand.clock
        counted = clock.monotonic()
        while not self.run.over:
            self.watch.look(clock.monotonic())
            if clock.monotonic() - counted >= _COUNT:
                counted = clock.monotonic()
                await in_thread(self.watch.count)
            await clock.sleep(LOOK)

    async def noted(self, *notes: Note) -> bool:
        """Whether it has noted one of these: SIPp writes each line at once."""
        return any(word in notes for word, _ in await self._log())

    async def told(self, note: Note) -> str | None:
        """Return what its last line with that word says behind it, None where there is none yet."""
        return next((rest for word, rest in reversed(await self._log()) if word == note), None)

    async def count(self, note: Note) -> int:
        """Return how many lines it has written with that word."""
        return sum(word == note for word, _ in await self._log())

    async def _log(self) -> list[tuple[str, str]]:
        """Return its log lines so far, the first word of each and what is behind it."""
        try:
            text = await in_thread((self.folder / files.LOG).read_text, "utf-8", "replace")
        except OSError:  # nothing is noted yet
            return []
        return [line.partition(" ")[::2] for line in text.splitlines()]

    async def notes(self, within: float, *notes: Note) -> bool:
        """Wait until it notes one of these; False where it doesn't in time, or has ended."""

        async def look() -> bool | None:
            return True if await self.noted(*notes) else None

        return await self.until(within, look) is not None

    async def until(self, within: float, look: Callable[[], Awaitable[T | None]]) -> T | None:
        """Return what is looked for once it is there; None where it isn't in time, or SIPp has ended."""
        clock = self._errand.clock
        until = clock.monotonic() + within
        while (found := await look()) is None:
            if self.run.over or clock.monotonic() >= until:
                return await look()
            await clock.sleep(_SOON)
        return found

    async def messages(self) -> tuple[Traced, ...]:
        """Return what it has sent and received so far."""
        try:
            data = await in_thread(_beginning, self.folder / files.MESSAGES)
        except OSError:  # nothing yet
            return ()
        return _without_cues(parse_messages(data)[0])

    async def call_id(self) -> str | None:
        """Return the Call-ID of the first call that it made."""
        made = (message.call_id for message in said(await self.messages()) if message.direction == "sent")
        return next(made, None)

    async def cue(self, cue: Cue, call_id: str | None = None) -> None:
        """Tell its scenario to go on with a call, its first where none is named.

        It is one datagram on this machine: what hasn't begun yet, or is over, is told nothing.
        """
        about = call_id or await self.call_id()
        if about is None or self.run.over:
            return
        host = hostport(self._local)
        lines = [
            f"{cue} {_CUED} SIP/2.0",
            f"Via: SIP/2.0/UDP {host};branch=z9hG4bK{secrets.token_hex(8)}",
            f"From: <{_CUED}>;tag={secrets.token_hex(4)}",
            f"To: <{_CUED}>",
            f"Call-ID: {about}",
            f"CSeq: 0 {cue}",
            *("Content-Length: 0", "", ""),
        ]
        family = socket.AF_INET6 if ":" in self._local[0] else socket.AF_INET
        with socket.socket(family, socket.SOCK_DGRAM) as prompter:
            prompter.sendto("\r\n".join(lines).encode(), self._local)

    def leg(self, finished: Finished) -> Leg:
        """Return what is left of it."""
        seen = replace(finished, messages=_without_cues(finished.messages))
        return Leg(self.party, self._local, seen, self._way.next_hop, self.watch.lost, self.watch.late)


@asynccontextmanager
async def on_stage(errand: Errand, party: str, invocation: Invocation, folder: Path) -> AsyncIterator[Act]:
    """Start SIPp and wait until it has its port; it has read the injection file by then, which goes at once.

    What it takes longer than PROMPT counts as late: that time is missing from the platform's.
    Raises FlowError with engine-crashed where it doesn't come to that.
    """
    asked = errand.clock.monotonic()
    async with running(errand.sipp, invocation, folder, errand.clock) as run:
        try:
            await run.listening(START)
        except TimeoutError:
            raise FlowError(
                FailureCode.ENGINE_CRASHED, f"SIPp did not open its port within {START:g} s"
            ) from None
        await in_thread((folder / INJECTION).unlink, True)
        act = Act(errand, party, errand.towards(party), run, folder, invocation.local[1])
        act.watch.late = max(0.0, errand.clock.monotonic() - asked - PROMPT)
        with first_cause():
            async with anyio.create_task_group() as watching:
                watching.start_soon(act.watched)
                yield act
                watching.cancel_scope.cancel()


def client(
    errand: Errand,
    party: str,
    role: Role,
    port: int,
    keys: Mapping[str, str],
    within: float,
    uri: str,
) -> Invocation:
    """Return a run that asks for something; `uri` is what its digest answers name, without `sip:`."""
    way = errand.towards(party)
    return Invocation(
        role.path,
        (way.host, port),
        way.next_hop,
        keys=keys,
        inject=INJECTION if role.injected else None,
        answer_within=within,
        rate=_RATE,
        lifetime=within + LIFETIME,
        digest_uri=uri,
    )


def server(errand: Errand, party: str, role: Role, port: int, keys: Mapping[str, str]) -> Invocation:
    """Return a run that waits for calls until it is stopped."""
    patience = errand.remaining + 3 * TIDY
    return Invocation(
        role.path,
        (errand.towards(party).host, port),
        calls=None,
        keys=keys,
        answer_within=patience,
        lifetime=patience + LIFETIME,
    )


def headers_of(errand: Errand) -> str:
    """Return the plan's headers as they follow another header: each begins a line, none ends one."""
    return "".join(f"\r\n{name}: {value}" for name, value in errand.request.plan.headers)


async def folder_of(errand: Errand, name: str) -> Path:
    """Make the folder of a run."""
    folder = errand.folder / name
    await in_thread(folder.mkdir, 0o700)
    return folder


def _beginning(path: Path) -> bytes:
    """Return the beginning of a file. Raises OSError."""
    with path.open("rb") as file:
        return file.read(_MAX_TRACE)


def _without_cues(messages: tuple[Traced, ...]) -> tuple[Traced, ...]:
    """Leave out what was no message of the platform's."""
    return tuple(m for m in messages if not m.text.startswith(_CUES))


_CUES: Final = tuple(f"{cue} {_CUED} " for cue in Cue)


def milliseconds(seconds: float) -> str:
    """Return a time as a scenario takes it."""
    return str(round(seconds * 1000))
