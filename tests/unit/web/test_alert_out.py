"""An alert about a database as the API shows it."""

from dialtone.web.models import AlertOut
from tests.fakes.alerts import ACME, GLOBEX, alert


def test_an_alert_about_a_database_is_shown_with_its_topology_and_tenants() -> None:
    shown = AlertOut.of(alert(rule="DatabaseNoWriter", topology="main", tenants=(ACME, GLOBEX)))
    assert (shown.topology, shown.tenants, shown.tenants_total) == ("main", [ACME, GLOBEX], 2)
    assert shown.node is None
