"""Months in the books: results of probes as a schedule gives them, for tests of what is made of them."""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Final

from dialtone.model import Failure, FailureCode, Flow, Outcome, ProbeResult
from tests.fakes.records import a_result

ACME: Final = "acme.ntek.clusterpbx.example"
BOLT: Final = "bolt.ntek.clusterpbx.example"
CHARLIE: Final = "charlie.zeta.clusterpbx.example"
NTEK: Final = "ntek.clusterpbx.example"
PLATFORM: Final = "clusterpbx.example"

PROMISES: Final = """\
location: mtl1
listen: 127.0.0.1:0
platform: {domain: clusterpbx.example, name: Cluster}
tenants:
  - {domain: ntek.clusterpbx.example, name: NTEK}
  - {domain: acme.ntek.clusterpbx.example, name: Acme}
  - {domain: bolt.ntek.clusterpbx.example, name: Bolt}
  - {domain: zeta.clusterpbx.example, name: Zeta}
  - {domain: charlie.zeta.clusterpbx.example, name: Charlie}
accounts: {file: accounts.csv}
probes:
  - {name: calls, flow: call, target: "sip:127.0.0.1:9", interval: 60s, timeout: 10s}
objectives:
  - {name: telephony, flows: [call], target: 99.9%,
     tenants: [acme.ntek.clusterpbx.example, bolt.ntek.clusterpbx.example, charlie.zeta.clusterpbx.example]}
"""
PHONES: Final = "tenant,user,auth_user,password\n" + "".join(
    f"{tenant},{user},,sesame-phone-5523\n" for tenant in (ACME, BOLT, CHARLIE) for user in (100, 101)
)


def probed(
    tenant: str,
    start: datetime,
    minutes: int,
    *,
    failing: Iterable[int] = (),
    missing: Iterable[int] = (),
    location: str = "mtl1",
) -> Iterator[ProbeResult]:
    """Yield the results of a call probe each minute; in some it fails twice, in some it is not run."""
    bad, gone = frozenset(failing), frozenset(missing)
    first = int(start.timestamp()) // 60
    for minute in range(minutes):
        if minute not in gone:
            for attempt in (1, 2) if minute in bad else (1,):
                yield _result(tenant, first + minute, attempt, location, failed=minute in bad)


def _result(tenant: str, slot: int, attempt: int, location: str, *, failed: bool) -> ProbeResult:
    started = datetime.fromtimestamp(slot * 60, tz=UTC) + timedelta(seconds=10 * (attempt - 1))
    return a_result(
        f"{tenant}/{slot}/{attempt}/{location}",
        tenant,
        probe="calls",
        flow=Flow.CALL,
        location=location,
        slot=slot,
        interval=60.0,
        attempt=attempt,
        started=started,
        outcome=Outcome.FAIL if failed else Outcome.PASS,
        failure=Failure(FailureCode.TIMEOUT, "no answer to INVITE") if failed else None,
    )
