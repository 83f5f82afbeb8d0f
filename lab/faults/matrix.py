"""Runs every fault on every engine before a running lab, and says which code each got."""

import csv
import random
import uuid
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import anyio

from dialtone.model import (
    Account,
    Engine,
    Failure,
    Origin,
    Outcome,
    Plan,
    ProbeRequest,
    Secret,
)
from dialtone.ports import Prober
from lab.base import LabError
from lab.configuration import ACCOUNTS
from lab.faults.media.harm import Harm
from lab.faults.media.relay import MediaRelay
from lab.faults.media.settings import Settings
from lab.faults.media.truth import Truth, Truths
from lab.faults.relay import SipRelay
from lab.faults.table import FAULTS, Fault, Through
from lab.files import locked
from lab.state import LabState

_NEEDED: Final[Mapping[Through, str]] = {
    Through.RELAY: "sip",
    Through.TCP: "sip",
    Through.TLS: "sip-tls",
    Through.HTTP: "http",
    Through.HTTPS: "https",
}
"""The lab's address that a fault is produced at."""
PARTS: Final = ("sip", "asterisk", "http")
"""The parts of the lab that faults are produced before."""
_TRIES: Final = 5
"""How often a fault is tried while the probe did not come so far, or says that our own side was broken: that
is no answer."""
PAGE: Final = "/admin"
"""The lab's page that the http flow asks for."""


Wanted = Sequence[tuple[Fault, Sequence[Engine]]]
"""Faults, each with the engines that it is produced for."""


@dataclass(frozen=True, slots=True)
class Row:
    """One fault on one engine, and what came of it; `got` None means that the probe passed.

    `produced` is whether the probe met the fault: it may fail before, and by the same code.
    """

    fault: Fault
    engine: Engine
    got: Failure | None
    produced: bool = True

    @property
    def right(self) -> bool:
        """Whether the probe met the fault and said what it must."""
        return self.produced and self.got is not None and self.got.code is self.fault.code

    @property
    def said(self) -> str:
        """What the probe said."""
        if self.got is None:
            return "passed"
        before = "" if self.produced else ", before it met the fault"
        return f"{self.got.code}{before}: {self.got.detail}"


Told = Callable[[Sequence[Row]], None]


def wanted(words: Sequence[str] = ()) -> Wanted:
    """Return the faults that are meant, in the table's order: all without words.

    A word is a flow, an engine, or a part of a fault's name or code, in any case; one of them is enough.
    Raises ValueError for a word that means nothing.
    """
    for word in words:
        if not any(_means(word, fault, engine) for fault in FAULTS for engine in fault.engines):
            codes = sorted({fault.code for fault in FAULTS})
            known = ", ".join([*dict.fromkeys(fault.flow for fault in FAULTS), *Engine, *codes])
            raise ValueError(f"{word!r} is no flow, no engine and in no fault's name or code: try {known}")
    chosen = (
        (fault, [e for e in fault.engines if not words or any(_means(word, fault, e) for word in words)])
        for fault in FAULTS
    )
    return [(fault, engines) for fault, engines in chosen if engines]


def _means(word: str, fault: Fault, engine: Engine) -> bool:
    low = word.strip().lower()
    return low in (fault.flow, engine) or (low != "" and (low in fault.name.lower() or low in fault.code))


async def run_matrix(
    state: LabState, probers: Mapping[Engine, Prober], asked: Wanted, *, sabotage: bool, told: Told
) -> list[Row]:
    """Produce these faults, a tenant each at a time; return the rows in their order.

    With `sabotage` the faults are left out. `told` hears of each fault's rows in that order, as soon as they
    and those before them have ended. `unreachable` ones have no rows. Raises LabError where the lab is not
    all there, or others use it.
    """
    _check(state, asked)
    nowhere = unreachable(state, asked)
    asked = [(fault, engines) for fault, engines in asked if fault.name not in nowhere]
    free = _Tenants(_accounts(state.root / ACCOUNTS))
    rows: dict[tuple[str, Engine], Row] = {}
    untold = deque(asked)

    async def produce(fault: Fault, engine: Engine) -> None:
        for _ in range(_TRIES):
            async with free.one() as accounts:
                row = await _produced(state, fault, engine, probers[engine], accounts, sabotage)
            if row.right or not _no_answer(row):
                break
        rows[fault.name, engine] = row
        while untold and all((untold[0][0].name, e) in rows for e in untold[0][1]):
            first, engines = untold.popleft()
            told([rows[first.name, e] for e in engines])

    busy = f"another command produces faults in the lab {state.name}, as the same phones"
    with locked(state.root / ".faults.lock", busy=busy, patience=0.0):
        async with anyio.create_task_group() as group:
            for fault, engines in asked:
                for engine in engines:
                    group.start_soon(produce, fault, engine)
    return [rows[fault.name, engine] for fault, engines in asked for engine in engines]


def _no_answer(row: Row) -> bool:
    """Whether the probe says nothing about the fault."""
    return not row.produced or (row.got is not None and row.got.code.outcome is Outcome.INCONCLUSIVE)


def _check(state: LabState, asked: Wanted) -> None:
    own = f"or leave out --name, for a lab of the command's own ({','.join(PARTS)})"
    lacking = [part for part in PARTS if part not in {one.name for one in state.parts}]
    if lacking:
        raise LabError(f"the lab {state.name} has no {', '.join(lacking)}: start it with these parts, {own}")
    if dead := [name for name, alive in state.processes.items() if not alive]:
        raise LabError(f"of the lab {state.name} {', '.join(dead)} has ended: start it again, {own}")
    if len(unreachable(state, asked)) == len(asked):
        raise LabError(f"the lab {state.name} has no address that these faults could be produced at")


def unreachable(state: LabState, asked: Wanted) -> list[str]:
    """Return the names of those faults that a lab has no address for: an OpenSIPS without TLS modules."""
    return [fault.name for fault, _ in asked if _NEEDED[fault.through] not in state.addresses]


async def _produced(
    state: LabState,
    fault: Fault,
    engine: Engine,
    prober: Prober,
    accounts: Sequence[Account],
    sabotage: bool,
) -> Row:
    async with AsyncExitStack() as stack:
        target, plan = _straight(state, fault)
        rules = () if sabotage else fault.rules
        applied: Mapping[int, int] = {}
        media = None
        if fault.media is not None and not sabotage:
            media = await stack.enter_async_context(MediaRelay(fault.media))
        if fault.through is Through.RELAY:
            front = _address(state.addresses["sip"])
            relay = await stack.enter_async_context(SipRelay(front, rules, media))
            target, applied = relay.target, relay.applied
        request = ProbeRequest(
            id=str(uuid.UUID(int=random.getrandbits(128), version=4)),
            probe="faults",
            flow=fault.flow,
            engine=engine,
            tenant=accounts[0].tenant,
            target=target.replace("{tenant}", accounts[0].tenant),
            location="lab",
            accounts=tuple(accounts[: plan.accounts(fault.flow)]),
            origin=Origin.MANUAL,
            slot=0,
            attempt=1,
            timeout=fault.timeout,
            plan=plan,
        )
        if fault.change is not None and not sabotage:
            request = fault.change(request)
            needed = request.plan.accounts(fault.flow)
            request = replace(request, accounts=request.accounts[:needed])
        async with anyio.create_task_group() as others:
            for number in range(1, media.settings.calls if media is not None else 1):
                others.start_soon(prober.run, _another(request, accounts, number))
            run = await prober.run(request)
        met = all(applied.get(number, 0) for number in range(len(rules)))
        if media is not None:
            met = met and all(way.touched for way in _harmed(media.settings, (await media.truth())[0]))
        return Row(fault, engine, run.result.failure, met)


def _another(request: ProbeRequest, accounts: Sequence[Account], number: int) -> ProbeRequest:
    """Return the same probe by others of the tenant's phones."""
    phones = len(request.accounts)
    return replace(
        request,
        id=str(uuid.UUID(int=random.getrandbits(128), version=4)),
        accounts=tuple(accounts[number * phones : (number + 1) * phones]),
    )


def _harmed(settings: Settings, truth: Truths) -> list[Truth]:
    """Return the directions that something should have been done to."""
    harms = (settings.to_caller, settings.to_callee)
    return [way for way, harm in zip(truth, harms, strict=True) if settings.crossed or harm != Harm()]


def _straight(state: LabState, fault: Fault) -> tuple[str, Plan]:
    """Return the target of a probe that meets no relay, and its plan: who must be trusted is added."""
    where, tls = (
        state.addresses[_NEEDED[fault.through]],
        replace(fault.plan.tls, ca=state.addresses.get("ca")),
    )
    match fault.through:
        case Through.HTTP:
            return where.rstrip("/") + PAGE, fault.plan
        case Through.HTTPS:
            return where.rstrip("/") + PAGE, replace(fault.plan, tls=tls)
        case Through.TLS:
            return f"sip:{where};transport=tls", replace(fault.plan, tls=tls)
        case transport:
            return f"sip:{where};transport={'tcp' if transport is Through.TCP else 'udp'}", fault.plan


def _address(hostport: str) -> tuple[str, int]:
    host, _, port = hostport.rpartition(":")
    return host, int(port)


def _accounts(file: Path) -> Mapping[str, tuple[Account, ...]]:
    """Return the lab's phones by tenant."""
    found: dict[str, list[Account]] = {}
    with file.open(newline="") as rows:
        for row in csv.DictReader(rows):
            account = Account(row["tenant"], row["user"], row["auth_user"], Secret(row["password"]))
            found.setdefault(account.tenant, []).append(account)
    return {tenant: tuple(accounts) for tenant, accounts in found.items()}


class _Tenants:
    """Lends tenants, each to one fault at a time."""

    def __init__(self, accounts: Mapping[str, tuple[Account, ...]]) -> None:
        self._free = list(accounts.values())
        self._some = anyio.Semaphore(len(self._free))

    @asynccontextmanager
    async def one(self) -> AsyncIterator[tuple[Account, ...]]:
        """Wait for a tenant and hold it: its accounts, in their order."""
        async with self._some:
            accounts = self._free.pop(0)
            try:
                yield accounts
            finally:
                self._free.append(accounts)
