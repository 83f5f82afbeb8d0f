"""Accounts, requests and a worker in this process, for tests of probes."""

from collections.abc import Mapping
from typing import Any

from dialtone.model import Account, Engine, Evidence, Flow, Origin, Plan, ProbeRequest, Secret
from dialtone.runtime.clock import SystemClock
from synthetic.agents.codec import decode_report, encode_request
from synthetic.agents.worker import Worker
from synthetic.lateness import LatenessMeter
from synthetic.probes.runner import Report

TENANT = "acme.example"
PASSWORDS: Mapping[str, str] = {"100": "first-secret", "101": "second-secret"}
NEVER = 3600.0
"""A lateness that no busy test machine reaches."""


def an_account(user: str = "100", tenant: str = TENANT, password: str | None = None) -> Account:
    """Return an account of the fake server, with its right password unless told otherwise."""
    return Account(tenant, user, user, Secret(PASSWORDS.get(user, "") if password is None else password))


def a_request(flow: Flow = Flow.REGISTER, target: str = "sip:127.0.0.1:5060", **changes: Any) -> ProbeRequest:
    """Return a request with as many accounts as its flow needs, with what is given instead."""
    users = ("100", "101")[: Plan().accounts(flow)]
    values: dict[str, Any] = {
        "id": "r1",
        "probe": "calls",
        "flow": flow,
        "engine": Engine.SIPPY,
        "tenant": TENANT,
        "target": target,
        "location": "mtl1",
        "accounts": tuple(map(an_account, users)),
        "origin": Origin.SCHEDULE,
        "slot": 7,
        "attempt": 1,
        "timeout": 8.0,
    }
    return ProbeRequest(**(values | changes))


async def run_here(request: ProbeRequest) -> tuple[Report, Evidence]:
    """Run a probe in this process, as the worker does."""
    worker = Worker(SystemClock(), LatenessMeter(), late=NEVER)
    return decode_report(await worker.handle(encode_request(request)))
