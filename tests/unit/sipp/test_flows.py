"""The runs of a probe: ports and times."""

import pytest

from dialtone.model import Flow
from sipp_flows.catalogue import FLOWS
from synthetic.agents.phone import EXPIRES as EXPIRES_ON_SIPPY
from synthetic.probes.base import FlowError
from synthetic.probes.call import HOLD
from synthetic.probes.runner import PARTIES
from synthetic.sipp.flows import EXPIRES, HELD, Ports


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


def test_a_lost_ack_is_given_again_before_the_call_ends() -> None:
    """T1 of RFC 3261 17.1.1.1: the 200 comes again after 0.5 s."""
    assert HELD > 0.6 > HOLD


def test_both_engines_bind_for_as_long() -> None:
    assert EXPIRES == EXPIRES_ON_SIPPY


def test_every_flow_of_the_model_has_scenarios_and_parties() -> None:
    assert set(FLOWS) == set(PARTIES) == set(Flow)
