"""Prometheus's own tool finds nothing to say about the exposition."""

import shutil

import anyio
import pytest

from dialtone.export.metrics import METRICS
from dialtone.export.prometheus import Exposition
from dialtone.model import Catalog, CollectFailure, FailureCode, NodeState
from tests.fakes.clock import FakeClock
from tests.fakes.results import BOLT, NOON, a_node, a_run, a_state

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed"),
]


@pytest.mark.parametrize("cap", [1000, 1])
async def test_promtool_finds_the_page_valid(clock: FakeClock, cap: int) -> None:
    catalog = Catalog(METRICS)
    exposition = Exposition(catalog, lambda _: "ntek.clusterpbx.example", clock, cap)
    await exposition.node_polled(a_state())
    await exposition.node_polled(
        NodeState(a_node("sip2"), False, NOON, NOON, 5.0, failure=CollectFailure.TIMEOUT)
    )
    timings = {"rrd": 0.02, "srd": 0.1, "pdd": 0.2, "sdd": 0.01, "sdt": 3.0}
    await exposition.probe_ended(a_run(timings=timings))
    await exposition.probe_ended(a_run(BOLT, failure=FailureCode.SIP_5XX))
    samples = [
        catalog["dialtone_info"].sample("0.1.0", value=1, at=NOON),
        catalog["dialtone_alerts"].sample('odd "rule"\\', "critical", "", "firing", value=1, at=NOON),
        *(
            catalog[f"dialtone_scheduler_{figure}"].sample("probe", value=0, at=NOON)
            for figure in ("lateness_seconds", "skipped_total", "errors_total")
        ),
        catalog["dialtone_collect_internal_errors_total"].sample("sip1", value=0, at=NOON),
    ]
    exposition.put("self", samples)
    with anyio.fail_after(30):
        checked = await anyio.run_process(
            ["promtool", "check", "metrics"], input=exposition.render(), check=False
        )
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, b"", b"")
