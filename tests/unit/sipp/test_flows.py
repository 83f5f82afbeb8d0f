"""The runs of a probe: ports and times."""

from pathlib import Path

import pytest

from dialtone.model import Flow, Plan
from sipp_flows.catalogue import FLOWS
from synthetic.agents.line import EXPIRES as EXPIRES_ON_SIPPY
from synthetic.probes.base import FlowError
from synthetic.sipp.errand import EXPIRES, Errand, Way
from synthetic.sipp.flows import JOURNEYS, journey
from synthetic.sipp.ports import Ports
from synthetic.sipp.program import Sipp
from tests.fakes.clock import FakeClock
from tests.fakes.sip_probes import a_request


def test_two_runs_never_share_a_port() -> None:
    ports = Ports()
    with ports.free("127.0.0.1") as first, ports.free("127.0.0.1") as second:
        assert first != second


def test_a_port_that_was_given_back_may_be_had_again() -> None:
    ports = Ports()
    with ports.free("127.0.0.1"):
        pass
    assert ports._taken == set()


def test_no_port_is_no_fault_of_the_platform() -> None:
    with pytest.raises(FlowError) as caught, Ports().free("192.0.2.1"):
        pass
    assert caught.value.code.outcome == "inconclusive"
    assert "no SIP port on 192.0.2.1" in caught.value.detail


def test_both_engines_bind_for_as_long() -> None:
    assert EXPIRES == EXPIRES_ON_SIPPY


@pytest.mark.parametrize(("timeout", "life"), [(10.0, 60), (60.0, 60), (90.2, 91)])
def test_what_is_put_up_lives_as_long_as_the_probe(timeout: float, life: int, tmp_path: Path) -> None:
    way = Way(("127.0.0.1", 5060), "127.0.0.1")
    request = a_request(Flow.CALL, timeout=timeout)
    errand = Errand(Sipp("sipp", (3, 6, 1)), request, way, way, tmp_path, FakeClock(), 0.0, Ports())
    assert errand.life == life


def test_every_flow_that_has_sip_has_scenarios_and_runs() -> None:
    assert set(FLOWS) == set(JOURNEYS) == set(Flow) - {Flow.HTTP}


@pytest.mark.parametrize(
    ("plan", "said"),
    [
        (Plan(outbound_proxy="sip:127.0.0.1"), "outbound_proxy"),
        (Plan(headers=(("X-Mark", "a\r\nVia: b"),)), "line break"),
        (Plan(headers=(("", "a"),)), "it is no name"),
    ],
)
def test_what_sipp_can_not_be_asked_for_is_said_before_anything_runs(plan: Plan, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        journey(a_request(Flow.CALL, plan=plan))


@pytest.mark.parametrize("target", ["sip:127.0.0.1;transport=tcp", "sips:127.0.0.1", "http://127.0.0.1"])
def test_a_target_or_a_callers_target_that_is_not_over_udp_is_said_before_anything_runs(target: str) -> None:
    for request in (a_request(Flow.CALL, target), a_request(Flow.CALL, plan=Plan(caller_target=target))):
        with pytest.raises(ValueError, match=r"UDP alone|no target"):
            journey(request)


def test_the_admin_page_is_no_flow_of_sipps() -> None:
    with pytest.raises(ValueError, match="SIPp has no flow http"):
        journey(a_request(Flow.HTTP))
