"""The cast: Alice's client and Charlie's client hang under different resellers; Bob is Alice's reseller, Dan
is Charlie's.

clusterpbx.example
  ntek (Bob)          volt (Dan)
    acme (Alice)        zeta (Charlie)
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from typing import Any, Final

import httpx
from fastapi import FastAPI
from httpx import ASGITransport

from dialtone.model import (
    AccessRole,
    AlertState,
    Check,
    CheckState,
    CollectFailure,
    Flow,
    Holding,
    Impact,
    KnownTopology,
    Level,
    Node,
    NodeKind,
    NodeState,
    Outcome,
    ProbeResult,
    Reading,
    Sample,
    Scope,
    Secret,
    Spread,
    Tenant,
    Trouble,
)
from dialtone.web import WebContext, WebToken, create_app
from tests.fakes.alerts import NOON, alert, result
from tests.fakes.clock import FakeClock
from tests.fakes.ledger import FakeLedger
from tests.fakes.records import a_stream
from tests.fakes.store import BreakableStore
from tests.fakes.topologies import a_link, a_member, a_topology_state
from tests.unit.web.promises import accounts, statements, write_books

PLATFORM: Final = "clusterpbx.example"
NTEK: Final = "ntek.clusterpbx.example"
VOLT: Final = "volt.clusterpbx.example"
ACME: Final = "acme.ntek.clusterpbx.example"
ZETA: Final = "zeta.volt.clusterpbx.example"

TENANTS: Final = (
    Tenant(PLATFORM, None, Level.PLATFORM, "Cluster PBX"),
    Tenant(NTEK, PLATFORM, Level.RESELLER, "NTEK Telecom"),
    Tenant(VOLT, PLATFORM, Level.RESELLER, "Voltwire"),
    Tenant(ACME, NTEK, Level.CLIENT, "Acme Bakery"),
    Tenant(ZETA, VOLT, Level.CLIENT, "Zeta Clinic"),
)

SIP1: Final = NodeState(
    node=Node("sip1-front", NodeKind.OPENSIPS, "http://127.0.0.1:8888/mi"),
    up=True,
    since=NOON - timedelta(hours=3),
    polled_at=NOON,
    duration=0.0123,
    read_at=NOON,
    reading=Reading(
        (
            Sample("opensips_tenant_calls", ("sip1-front", ACME, NTEK), 7.0, NOON),
            Sample("opensips_uptime_seconds", ("sip1-front",), 9000.0, NOON),
        ),
        {"version": "OpenSIPS (3.6.8 (x86_64/linux))"},
        spreads=(
            Spread("asterisk_tenant_rtp_mos", ("sip1-front", ZETA, VOLT, "sent"), (1, 0, 7), 30.5, NOON),
        ),
    ),
)
DB2: Final = NodeState(
    node=Node("db2-standby", NodeKind.MYSQL, "mysql://127.0.0.1:3306"),
    up=False,
    since=NOON - timedelta(minutes=4),
    polled_at=NOON,
    duration=2.0,
    failure=CollectFailure.CONNECT,
    detail="connection refused by 127.0.0.1:3306",
)

DUPLICATE: Final = Check(
    Trouble.DUPLICATE_KEY,
    CheckState.BAD,
    "db2-standby",
    "dc2",
    1062,
    "Could not execute Write_rows: Duplicate entry '7'",
    Impact.HURT,
)
LATE: Final = Check(Trouble.LATE, CheckState.SUSPECT, "db2-standby", "dc2", 75, "75 s behind db1-live")
RACK_ONE: Final = KnownTopology(
    a_topology_state(
        "rack-one",
        members=(a_member("db1-live", writable=True), a_member("db2-standby")),
        links=(a_link("db2-standby", "db1-live", channel="dc2", sql_running=False, lag=75, gap=40),),
        checks=(LATE, DUPLICATE, Check(Trouble.MEMBER_DOWN, CheckState.FINE, "db1-live")),
        tenants=(NTEK, ACME),
    ),
    {DUPLICATE.key: NOON - timedelta(minutes=4)},
)
RACK_TWO: Final = KnownTopology(a_topology_state("rack-two", tenants=(VOLT, ZETA)), {})

TOKENS: Final = {
    "root": "root-token-1",
    "bob": "bob-token-22",
    "alice": "alice-token-333",
    "charlie": "c-token-4",
    "dan": "dan-token-55555",
}
SCOPES: Final = {
    "root": Scope.everything(),
    "bob": Scope.of(NTEK, ACME),
    "alice": Scope.of(ACME),
    "charlie": Scope.of(ZETA),
    "dan": Scope.of(VOLT, ZETA),
}
ROLES: Final = {
    "root": AccessRole.OPERATOR,
    "bob": AccessRole.OPERATOR,
    "alice": AccessRole.VIEWER,
    "charlie": AccessRole.OPERATOR,
    "dan": AccessRole.OPERATOR,
}


KEYED: Final = {ACME: "7731#A", ZETA: "8842*B"}
"""The digits that were heard in each client's call."""


@dataclass(slots=True)
class ListBoard:
    """A Board over lists."""

    states: Sequence[NodeState]
    last: Sequence[ProbeResult]
    known: Sequence[KnownTopology] = (RACK_ONE, RACK_TWO)

    def nodes(self, scope: Scope) -> Sequence[NodeState]:
        """Return every node to the platform."""
        return self.states if scope.sees_all else ()

    def node(self, scope: Scope, name: str) -> NodeState | None:
        """Return one node."""
        return next((s for s in self.nodes(scope) if s.node.name == name), None)

    def topologies(self, scope: Scope) -> Sequence[KnownTopology]:
        """Return every topology to the platform."""
        return self.known if scope.sees_all else ()

    def topology(self, scope: Scope, name: str) -> KnownTopology | None:
        """Return one topology."""
        return next((k for k in self.topologies(scope) if k.state.topology.name == name), None)

    def holdings(self, scope: Scope) -> Sequence[Holding]:
        """Return what tenants may know of topologies."""
        found = (
            Holding(k.state.topology.name, k.state.impact, tuple(filter(scope.allows, k.state.tenants)))
            for k in self.known
        )
        return [one for one in found if one.tenants]

    def results(self, scope: Scope) -> Sequence[ProbeResult]:
        """Return the last results."""
        return [r for r in self.last if scope.allows(r.tenant)]


class LeakyBoard(ListBoard):
    """A Board with a mistake: it shows everything to everybody."""

    def nodes(self, scope: Scope) -> Sequence[NodeState]:
        """Return every node."""
        return self.states

    def topologies(self, scope: Scope) -> Sequence[KnownTopology]:
        """Return every topology."""
        return self.known

    def holdings(self, scope: Scope) -> Sequence[Holding]:
        """Return what all tenants may know."""
        return [Holding(k.state.topology.name, k.state.impact, k.state.tenants) for k in self.known]

    def results(self, scope: Scope) -> Sequence[ProbeResult]:
        """Return every result."""
        return self.last


def last_results() -> list[ProbeResult]:
    """Return the last results of both clients: Acme's calls fail, everything else passes."""
    return [
        replace(
            result(Outcome.FAIL, ACME, result_id="acme-call", detail="no answer to INVITE of 101@" + ACME),
            media=(a_stream("caller", lost=25, digits=KEYED[ACME]),),
        ),
        replace(
            result(Outcome.PASS, ACME, result_id="acme-reg", probe="logins", flow=Flow.REGISTER),
            timings={"rrd": 0.012},
        ),
        replace(
            result(Outcome.PASS, ZETA, result_id="zeta-call"),
            media=(a_stream("caller", mos=4.2), a_stream("callee", digits=KEYED[ZETA])),
        ),
        result(Outcome.INCONCLUSIVE, ZETA, result_id="zeta-reg", probe="logins", flow=Flow.REGISTER),
    ]


async def context(*, tokens: bool = False, leaky: bool = False, **changes: Any) -> WebContext:
    """Return a context over the cast's platform; `changes` replace its fields."""
    store = BreakableStore()
    results = last_results()
    await store.add_results(results)
    await store.put_alerts(
        [
            alert(rule="ProbeFailing", tenant=ACME, flow="call", cause="timeout: no answer to INVITE"),
            alert(rule="ProbeFailing", tenant=ZETA, flow="register", state=AlertState.PENDING, started=None),
            alert(node="db2-standby", cause="connect: connection refused by 127.0.0.1:3306"),
            alert(AlertState.RESOLVED, rule="ReplicationBroken", node="db2-standby", channel="dc2"),
            alert(AlertState.RESOLVED, node="sip1-front", started=None),
        ]
    )
    await write_books(store.books)
    made = WebContext(
        store=store,
        ledger=FakeLedger(accounts(), statements(), books=store.books, leaky=leaky),
        board=(LeakyBoard if leaky else ListBoard)((DB2, SIP1), results),
        tenants=lambda: TENANTS,
        clock=FakeClock(NOON + timedelta(seconds=12)),
        metrics_page=lambda: [f'dialtone_up{{node="sip1-front"}} 1\nx{{tenant="{ACME}"}} 1\n'.encode()],
        ready=lambda: True,
        has_probes=True,
        location="mtl1",
        version="0.1.0",
        host="127.0.0.1",
        external_url="http://status.clusterpbx.example",
        tokens=tuple(
            WebToken(who, partial(SCOPES.__getitem__, who), Secret(text), ROLES[who])
            for who, text in TOKENS.items()
        )
        if tokens
        else (),
    )
    return replace(made, **changes)


@asynccontextmanager
async def client(app: FastAPI, token: str | None = None) -> AsyncIterator[httpx.AsyncClient]:
    """Yield an HTTP client that speaks to the application without a socket."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    # An exception that the application let through is shown as the 500 that a client would get.
    transport = ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(
        transport=transport, base_url="http://127.0.0.1:9876", headers=headers
    ) as made:
        yield made


@asynccontextmanager
async def seen_by(who: str, *, leaky: bool = False) -> AsyncIterator[httpx.AsyncClient]:
    """Yield the client of one of the cast, on a platform with tokens."""
    async with client(create_app(await context(tokens=True, leaky=leaky)), TOKENS[who]) as made:
        yield made
