"""Who takes part in a flow agrees with what a plan asks for."""

import itertools

import pytest

from dialtone.model import AnsweredBy, CalledFrom, ChangedBy, EventPackage, Flow, Plan, Side
from synthetic.probes.parties import parties

PLANS = [
    Plan(answered_by=answered_by, called_from=called_from, hangs_up=hangs_up, event=event, changed_by=by)
    for answered_by, called_from, hangs_up, event, by in itertools.product(
        AnsweredBy, CalledFrom, Side, EventPackage, ChangedBy
    )
]


@pytest.mark.parametrize("flow", Flow)
def test_a_plan_asks_for_as_many_accounts_as_its_parties_have(flow: Flow) -> None:
    for plan in PLANS:
        assert plan.accounts(flow) == sum(party.account for party in parties(flow, plan)), plan


@pytest.mark.parametrize("flow", Flow)
def test_no_two_parties_of_a_flow_are_called_the_same(flow: Flow) -> None:
    for plan in PLANS:
        names = [party.name for party in parties(flow, plan)]
        assert len(set(names)) == len(names)


@pytest.mark.parametrize("flow", Flow)
def test_one_party_at_most_has_a_target_of_its_own(flow: Flow) -> None:
    for plan in PLANS:
        assert sum(party.calls for party in parties(flow, plan)) <= 1


def test_the_one_that_calls_has_the_target_of_its_own() -> None:
    for plan in PLANS:
        caller = parties(Flow.CALL, plan)[0]
        assert caller.calls
        assert caller.name == ("caller" if plan.called_from is CalledFrom.PHONE else "trunk")
        assert caller.account == (plan.called_from is CalledFrom.PHONE)
    for flow in (Flow.BLIND_TRANSFER, Flow.ATTENDED_TRANSFER):
        assert [party.name for party in parties(flow, Plan()) if party.calls] == ["transferee"]
