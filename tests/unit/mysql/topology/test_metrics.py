"""What is published of a topology."""

from datetime import UTC, datetime

from collectors.mysql.topology.metrics import METRICS, topology_samples
from dialtone.config import TenantTree
from dialtone.model import (
    Catalog,
    Check,
    CheckState,
    Impact,
    Level,
    Link,
    Member,
    MetricScope,
    Role,
    Tenant,
    Topology,
    TopologyKind,
    TopologyState,
    Trouble,
)

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
MAIN = Topology("main", TopologyKind.PRIMARY_REPLICA, ("db1", "db2", "db3"))
TENANTS = TenantTree(
    Tenant("example.net", None, Level.PLATFORM, "Platform"),
    (
        Tenant("ntek.example.net", "example.net", Level.RESELLER, "NTEK"),
        Tenant("acme.ntek.example.net", "ntek.example.net", Level.CLIENT, "Acme"),
    ),
)


def values(state: TopologyState) -> dict[str, float]:
    """Values by metric and labels but the topology's: mysql_topology_lag_seconds/db2/default."""
    found = topology_samples(state, TENANTS, AT)
    assert all(sample.labels[0] == "main" and sample.at == AT for sample in found)
    named = {"/".join((sample.metric, *sample.labels[1:])): sample.value for sample in found}
    assert len(named) == len(found)
    return named


def state(*checks: Check, links: tuple[Link, ...] = ()) -> TopologyState:
    """Two servers of which one is down, a third that was not polled yet, and these checks."""
    return TopologyState(
        MAIN,
        AT,
        (
            Member("db1", True, Role.SOURCE, writable=True),
            Member("db2", False, Role.UNKNOWN),
            Member("db3", False, Role.UNKNOWN),
        ),
        links,
        (
            Check(Trouble.MEMBER_DOWN, CheckState.FINE, "db1"),
            Check(Trouble.MEMBER_DOWN, CheckState.SUSPECT, "db2"),
            *checks,
        ),
        ("ntek.example.net", "acme.ntek.example.net"),
        switches=3,
    )


def test_every_check_is_a_series_that_is_one_only_when_it_is_certain() -> None:
    found = values(
        state(
            Check(Trouble.NO_WRITER, CheckState.FINE),
            Check(Trouble.LATE, CheckState.BAD, "db3", "west"),
            Check(Trouble.IO_STOPPED, CheckState.SUSPECT, "db3", "west"),
        )
    )
    trouble = "mysql_topology_trouble"
    assert {name: value for name, value in found.items() if name.startswith(trouble)} == {
        f"{trouble}/member-down/db1/": 0,
        f"{trouble}/member-down/db2/": 0,
        f"{trouble}/no-writer//": 0,
        f"{trouble}/late/db3/west": 1,
        f"{trouble}/io-stopped/db3/west": 0,
    }


def test_servers_are_up_down_or_not_known_yet_and_switches_are_counted() -> None:
    found = values(state())
    assert [found[f"mysql_topology_members/{word}"] for word in ("up", "down", "unknown")] == [1, 1, 1]
    assert found["mysql_topology_switches_total"] == 3


def test_who_is_hurt_is_named_with_the_worst_impact() -> None:
    tenants = "mysql_topology_tenant_impact"
    for checks, impact in (
        ((), 0),
        ((Check(Trouble.LATE, CheckState.BAD, "db2", "default"),), 1),
        (
            (
                Check(Trouble.LATE, CheckState.BAD, "db2", "default"),
                Check(Trouble.NO_WRITER, CheckState.BAD, impact=Impact.HURT),
            ),
            2,
        ),
        ((Check(Trouble.NO_WRITER, CheckState.SUSPECT, impact=Impact.HURT),), 0),
    ):
        found = values(state(*checks))
        assert found["mysql_topology_impact"] == impact
        assert {name: value for name, value in found.items() if name.startswith(tenants)} == {
            f"{tenants}/ntek.example.net/{TENANTS.reseller('ntek.example.net')}": impact,
            f"{tenants}/acme.ntek.example.net/ntek.example.net": impact,
        }


def test_lag_and_gap_are_absent_while_unknown() -> None:
    known = Link("db2", "default", "db1", "10.0.0.1:3306", True, True, lag=1.5, measured=True, gap=7)
    unknown = Link("db3", "default", "db1", "10.0.0.1:3306", False, True)
    found = values(state(links=(known, unknown)))
    assert found["mysql_topology_lag_seconds/db2/default"] == 1.5
    assert found["mysql_topology_replication_gap_transactions/db2/default"] == 7
    assert not any("db3/default" in name for name in found)


def test_all_is_in_the_catalogue_and_what_names_tenants_is_theirs() -> None:
    assert len(Catalog(METRICS)) == len(METRICS)
    published = {sample.metric for sample in topology_samples(state(), TENANTS, AT)}
    assert published <= {metric.name for metric in METRICS}
    assert {metric.name for metric in METRICS if metric.scope is MetricScope.TENANT} == {
        "mysql_topology_tenant_impact"
    }
