"""The flows on SIPp: which runs of the program a probe is, in which order, on which ports.

`register` is one run, and a second that takes the binding back. For `call` the callee registers, ends, and
another SIPp takes over its port to be called there: NAT helpers and Asterisk's rewrite_contact send calls
to the address that the REGISTER came from. Between the two, some 50 ms, nothing listens on it. The caller
has a SIPp and a port of its own.

Nobody tells the caller's SIPp what the callee's has seen. So the call is held longer than on sippy: an ACK
that got lost must have been given again before the BYE.
"""

import errno
import socket
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import anyio
import anyio.to_thread

from dialtone.model import Account, FailureCode, Flow, ProbeRequest
from dialtone.ports import Clock
from sipp_flows.catalogue import CALLEE, CALLER, INJECTION, REGISTER, Note, Role
from synthetic.address import Address, hostport
from synthetic.probes.base import FlowError
from synthetic.probes.call import HOLD, PROOF, RING
from synthetic.probes.runner import PARTIES, TIDY
from synthetic.sipp import files
from synthetic.sipp.credentials import uri_user, write_injection
from synthetic.sipp.lateness import Watch
from synthetic.sipp.process import SippRun, running
from synthetic.sipp.program import Sipp
from synthetic.sipp.record import Leg
from synthetic.sipp.run import Finished, Invocation
from synthetic.sipp.verdict import Legs

EXPIRES: Final = 60
"""The binding's life in seconds: short, so that one left behind by a crash soon goes. As on sippy."""
HELD: Final = HOLD + 0.4
"""How long a call is held, in seconds: longer than the 0.5 s after which a 200 without an ACK comes again."""
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
_LOOK: Final = 0.2
_RATE: Final = 100.0
_MIN_WAIT: Final = 0.05


class Ports:
    """Local UDP ports, each for one run at a time; two probes of ours never have the same.

    SIPp must bind a port itself, so that somebody else may be faster: then the run fails with no-port.
    """

    def __init__(self) -> None:
        self._taken: set[int] = set()

    @contextmanager
    def free(self, host: str) -> Iterator[int]:
        """Lend a port that is free on that address. Raises FlowError with no-port."""
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        try:
            port = next(port for port in self._candidates(family, host) if port not in self._taken)
        except (OSError, StopIteration) as error:
            raise FlowError(FailureCode.NO_PORT, f"no SIP port on {host}: {error}") from None
        self._taken.add(port)
        try:
            yield port
        finally:
            self._taken.discard(port)

    def _candidates(self, family: int, host: str) -> Iterator[int]:
        for _ in range(20):
            with socket.socket(family, socket.SOCK_DGRAM) as trial:
                trial.bind((host, 0))
                port: int = trial.getsockname()[1]
            yield port


@dataclass(frozen=True, slots=True)
class Errand:
    """What the runs of one probe have in common; `deadline` is an instant of the clock."""

    sipp: Sipp
    request: ProbeRequest
    next_hop: Address
    host: str
    folder: Path
    clock: Clock
    deadline: float
    ports: Ports

    @property
    def remaining(self) -> float:
        """Seconds until the deadline, never less than what SIPp takes for a time."""
        return max(self.deadline - self.clock.monotonic(), _MIN_WAIT)


@dataclass(frozen=True, slots=True)
class Trip:
    """A probe that was made: what to judge, how long it took in seconds, and how its phone left."""

    legs: Legs
    duration: float
    leaving: Leg | None

    @property
    def all(self) -> tuple[Leg, ...]:
        """Every run there was, in order."""
        return (*self.legs.all, *(() if self.leaving is None else (self.leaving,)))


async def travel(errand: Errand) -> Trip:
    """Make the runs of a probe; the binding is taken back in any case.

    Raises FlowError for trouble of ours, and what `running` raises.
    """
    request = errand.request
    started = errand.deadline - request.timeout
    call = request.flow is Flow.CALL
    party, account = list(zip(PARTIES[request.flow], request.accounts, strict=True))[-1]
    with errand.ports.free(errand.host) as port:
        callee, caller, leaving, refusing = None, None, None, None
        registration = await _register(errand, party, account, port, EXPIRES, errand.remaining)
        ended = errand.clock.monotonic()
        try:
            if call and registration.noted(Note.REGISTERED) is not None:
                callee, caller, ended = await _call(errand, port)
            refusing = await _refusing(errand.next_hop, registration)
        finally:
            if _maybe_bound(registration):
                with anyio.CancelScope(shield=True):
                    leaving = await _register(errand, party, account, port, 0, TIDY)
    legs = Legs(registration, callee, caller, request.timeout, refusing)
    return Trip(legs, ended - started, leaving)


async def _register(
    errand: Errand, party: str, account: Account, port: int, expires: int, within: float
) -> Leg:
    folder = await _folder(errand, f"register-{expires}")
    await anyio.to_thread.run_sync(lambda: write_injection(folder, account))
    invocation = _client(errand, REGISTER, port, {"expires": str(expires)}, within, account.tenant)
    async with _run(errand, invocation, folder) as (run, watch):
        finished = await _ended(errand, run, watch, within + _MIN_WAIT)
    return Leg(party, invocation.local, finished, watch.lost, watch.late)


async def _call(errand: Errand, port: int) -> tuple[Leg, Leg | None, float]:
    """Let the callee wait on its port and the caller call; return both runs, and when the call was over."""
    request = errand.request
    calling, called = request.accounts
    keys = {
        "probe": request.id,
        "caller": uri_user(calling),
        "user": uri_user(called),
        "ring": _milliseconds(RING),
    }
    folder = await _folder(errand, "callee")
    patience = errand.remaining + SLACK + PROOF + TIDY
    waiting = Invocation(
        CALLEE.path,
        (errand.host, port),
        calls=None,
        keys=keys,
        answer_within=patience,
        lifetime=patience + LIFETIME,
    )
    async with _run(errand, waiting, folder) as (run, watch):
        caller = None
        if not run.over:
            with errand.ports.free(errand.host) as own:
                caller = await _place(errand, calling, called, own, watch)
            if caller.noted(Note.ENDED) is not None:
                await _proof(errand.clock, folder)
        over = errand.clock.monotonic()
        await _look(errand.clock, watch)
        return Leg("callee", waiting.local, await run.stop(), watch.lost, watch.late), caller, over


async def _place(errand: Errand, calling: Account, called: Account, port: int, callee: Watch) -> Leg:
    """Call. A caller that was not answered has SLACK more for its CANCEL.

    What is answered can only be hung up, and that is going on already.
    """
    folder = await _folder(errand, "caller")
    await anyio.to_thread.run_sync(lambda: write_injection(folder, calling, calls=called))
    keys = {"probe": errand.request.id, "hold": _milliseconds(HELD)}
    uri = f"{uri_user(called)}@{called.tenant}"
    invocation = _client(errand, CALLER, port, keys, errand.remaining, uri)
    async with _run(errand, invocation, folder) as (run, watch):
        finished = await _waited_for(errand, run, errand.remaining + _MIN_WAIT, watch, callee)
        if finished is None:
            slack = 0.0 if await _noted(folder, Note.ANSWERED) else SLACK
            finished = await _ended(errand, run, watch, slack, callee)
    return Leg("caller", invocation.local, finished, watch.lost, watch.late)


@asynccontextmanager
async def _run(errand: Errand, invocation: Invocation, folder: Path) -> AsyncIterator[tuple[SippRun, Watch]]:
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
        await anyio.Path(folder / INJECTION).unlink(missing_ok=True)
        now = errand.clock.monotonic()
        watch = Watch(run.pid, invocation.local[1], now)
        watch.late = max(0.0, now - asked - PROMPT)
        yield run, watch


def _client(
    errand: Errand, role: Role, port: int, keys: Mapping[str, str], within: float, uri: str
) -> Invocation:
    return Invocation(
        role.path,
        (errand.host, port),
        errand.next_hop,
        keys=keys,
        inject=INJECTION,
        answer_within=within,
        rate=_RATE,
        lifetime=within + LIFETIME,
        digest_uri=uri,
    )


async def _ended(errand: Errand, run: SippRun, watch: Watch, within: float, *others: Watch) -> Finished:
    """Wait until a run has ended, else end it; look at its process, and at others, now and then meanwhile."""
    return await _waited_for(errand, run, within, watch, *others) or await run.stop()


async def _waited_for(errand: Errand, run: SippRun, within: float, *watches: Watch) -> Finished | None:
    """Wait for the end of a run, None where it goes on."""
    until = errand.clock.monotonic() + within
    while (left := until - errand.clock.monotonic()) > 0:
        try:
            return await run.ended(min(left, _LOOK))
        except TimeoutError:
            await _look(errand.clock, *watches)
    return None


async def _look(clock: Clock, *watches: Watch) -> None:
    for watch in watches:
        await anyio.to_thread.run_sync(watch.look, clock.monotonic())


async def _proof(clock: Clock, folder: Path) -> None:
    """Wait at most PROOF seconds until the callee has noted the BYE."""
    until = clock.monotonic() + PROOF
    while clock.monotonic() < until and not await _noted(folder, Note.ENDED, Note.UNACKNOWLEDGED):
        await clock.sleep(_SOON)


async def _noted(folder: Path, *notes: Note) -> bool:
    """Whether a run that goes on has noted one of these: SIPp writes each line at once."""
    try:
        text = await anyio.Path(folder / files.LOG).read_text("utf-8", "replace")
    except OSError:  # nothing is noted yet
        return False
    return any(line.partition(" ")[0] in notes for line in text.splitlines())


def _maybe_bound(registration: Leg) -> bool:
    """Whether the platform may hold a binding: it was asked, and didn't refuse."""
    asked = any(message.direction == "sent" for message in registration.finished.messages)
    return asked and registration.noted(Note.REFUSED) is None and registration.noted(Note.DENIED) is None


async def _refusing(address: Address, registration: Leg) -> str | None:
    """Say where nothing listens: SIPp isn't told of ICMP, so a silent address is asked once more."""
    if any(message.direction == "received" for message in registration.finished.messages):
        return None
    if not await anyio.to_thread.run_sync(_is_closed, address):
        return None
    return hostport(address)


def _is_closed(address: Address) -> bool:
    """Whether ICMP says that the port is closed. What is sent is a keep-alive (RFC 5626 3.5.1)."""
    with socket.socket(socket.AF_INET6 if ":" in address[0] else socket.AF_INET, socket.SOCK_DGRAM) as trial:
        trial.settimeout(0.2)
        try:
            trial.connect(address)
            trial.send(b"\r\n\r\n")
            trial.recv(64)
        except OSError as error:
            return error.errno == errno.ECONNREFUSED
    return False


async def _folder(errand: Errand, name: str) -> Path:
    folder = errand.folder / name
    await anyio.Path(folder).mkdir(mode=0o700)
    return folder


def _milliseconds(seconds: float) -> str:
    return str(round(seconds * 1000))
