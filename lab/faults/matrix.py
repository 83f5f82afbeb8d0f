"""Runs every fault on every engine before a running lab, and says which code each got."""

import csv
import random
import uuid
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
    ProbeRun,
    Secret,
)
from dialtone.ports import Prober
from lab.base import LabError
from lab.configuration import ACCOUNTS
from lab.faults.relay import SipRelay
from lab.faults.table import FAULTS, Fault, Through
from lab.state import LabState

_NEEDED: Final[Mapping[Through, str]] = {
    Through.RELAY: "sip",
    Through.TCP: "sip",
    Through.TLS: "sip-tls",
    Through.HTTP: "http",
    Through.HTTPS: "https",
}
"""The lab's address that a fault is produced at."""
_TRIES: Final = 3
"""How often a fault is produced while the probe says that our own side was broken: that is no answer."""
PAGE: Final = "/admin"
"""The lab's page that the http flow asks for."""


@dataclass(frozen=True, slots=True)
class Row:
    """One fault on one engine, and what came of it; `got` None means that the probe passed."""

    fault: Fault
    engine: Engine
    got: Failure | None

    @property
    def right(self) -> bool:
        """Whether the probe said what it must."""
        return self.got is not None and self.got.code is self.fault.code

    @property
    def said(self) -> str:
        """What the probe said, in a word."""
        return "passed" if self.got is None else str(self.got.code)


Told = Callable[[Row], None]


async def run_matrix(
    state: LabState,
    probers: Mapping[Engine, Prober],
    *,
    sabotage: bool,
    told: Told,
    only: Sequence[str] = (),
) -> list[Row]:
    """Produce every fault for every engine, a tenant each at a time; return the rows in the table's order.

    With `sabotage` the faults are left out. `told` hears of each row as it ends; `only` are words that a
    fault's flow or name must have one of. Raises LabError where the lab lacks an address that is needed.
    """
    chosen = [
        (fault, engine)
        for fault in FAULTS
        for engine in fault.engines
        if not only or any(word in (str(fault.flow), str(engine)) or word in fault.name for word in only)
    ]
    lacking = {_NEEDED[fault.through] for fault, _ in chosen} - set(state.addresses)
    if lacking:
        raise LabError(f"the lab {state.name} has no {', '.join(sorted(lacking))}: start it whole")
    free = _Tenants(_accounts(state.root / ACCOUNTS))
    rows: dict[int, Row] = {}

    async def produce(number: int, fault: Fault, engine: Engine) -> None:
        got: Failure | None = None
        for _ in range(_TRIES):
            async with free.one() as accounts:
                run = await _produced(state, fault, engine, probers[engine], accounts, sabotage)
            got = run.result.failure
            if run.result.outcome is not Outcome.INCONCLUSIVE or got is None or got.code is fault.code:
                break
        rows[number] = Row(fault, engine, got)
        told(rows[number])

    async with anyio.create_task_group() as group:
        for number, (fault, engine) in enumerate(chosen):
            group.start_soon(produce, number, fault, engine)
    return [rows[number] for number in range(len(chosen))]


async def _produced(
    state: LabState,
    fault: Fault,
    engine: Engine,
    prober: Prober,
    accounts: Sequence[Account],
    sabotage: bool,
) -> ProbeRun:
    async with AsyncExitStack() as stack:
        target, plan = _straight(state, fault)
        if fault.through is Through.RELAY:
            rules = () if sabotage else fault.rules
            relay = await stack.enter_async_context(SipRelay(_address(state.addresses["sip"]), rules))
            target = relay.target
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
        return await prober.run(request)


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
