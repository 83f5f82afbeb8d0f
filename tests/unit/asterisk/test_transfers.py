"""Transfers of the recordings, and what else may come in such an event."""

from datetime import UTC, datetime

import pytest

from collectors.asterisk.parse import Channel
from collectors.asterisk.transfers import KINDS, METRICS, RESULTS, Transfers
from collectors.asterisk.whose import Whose
from dialtone.config.tree import TenantTree
from dialtone.model import UNKNOWN_TENANT
from tests.unit.asterisk.conftest import RESELLER, VERSIONS, blocks, event_of

AT = datetime(2026, 3, 1, tzinfo=UTC)
ACME = f"acme.{RESELLER}"


def counts(transfers: Transfers, tenants: TenantTree) -> dict[tuple[str, str, str], float]:
    """Return what has been counted, by tenant, kind and result, without zeros; not a tenant's first."""
    list(transfers.samples("pbx1", tenants, AT))
    return {
        (sample.labels[1], sample.labels[3], sample.labels[4]): sample.value
        for sample in transfers.samples("pbx1", tenants, AT)
        if sample.value
    }


@pytest.fixture
def transfers(tenants: TenantTree) -> Transfers:
    whose = Whose(tenants)
    return Transfers(lambda channel: whose.channel(channel) or UNKNOWN_TENANT)


@pytest.mark.parametrize("version", VERSIONS)
def test_the_recorded_transfers_are_counted_by_kind_and_result(
    version: str, transfers: Transfers, tenants: TenantTree
) -> None:
    for name in ("BlindTransfer", "AttendedTransfer"):
        for event in blocks(version, f"events/{name}"):
            transfers.hear(event)
    assert counts(transfers, tenants) == {
        (ACME, "blind", "success"): 4,  # of which one to a busy phone, one to a phone that still rang
        (ACME, "blind", "invalid"): 1,
        (ACME, "attended", "success"): 2,
        (ACME, "attended", "invalid"): 1,
    }


@pytest.mark.parametrize(
    ("said", "result"),
    [
        ("Success", "success"),
        ("Fail", "failed"),
        ("Not Permitted", "not-permitted"),
        ("Invalid", "invalid"),
        ("", "other"),
        ("x" * 70_000, "other"),
    ],
)
def test_a_result_is_folded_to_a_closed_list(
    said: str, result: str, transfers: Transfers, tenants: TenantTree
) -> None:
    leg = {"Channel": "PJSIP/a-1", "Uniqueid": "1.1", "Linkedid": "1.1", "AccountCode": "acme"}
    event = event_of("BlindTransfer", "Transferer", **leg)
    transfers.hear(event | {"Result": said, "TransfereeAccountCode": "bd"})
    assert counts(transfers, tenants) == {(ACME, "blind", result): 1}


def test_a_transfer_is_the_transferers_by_its_call_where_its_leg_tells_nothing(tenants: TenantTree) -> None:
    asked: list[Channel] = []

    def owner(channel: Channel) -> str:
        asked.append(channel)
        return ACME

    transfers = Transfers(owner)
    leg = {"Channel": "PJSIP/trunk-1", "Uniqueid": "1.2", "Linkedid": "1.1"}
    event = event_of("AttendedTransfer", "OrigTransferer", **leg)
    transfers.hear(event | {"Result": "Success", "SecondTransfererChannel": "PJSIP/trunk-2"})
    assert [(channel.unique_id, channel.linked_id) for channel in asked] == [("1.2", "1.1")]
    assert counts(transfers, tenants) == {(ACME, "attended", "success"): 1}


def test_a_transfer_of_no_channel_is_none(transfers: Transfers, tenants: TenantTree) -> None:
    transfers.hear({"Event": "BlindTransfer", "Result": "Fail"})
    assert counts(transfers, tenants) == {}


def test_a_transfer_that_a_callers_numbers_have_made_up_is_none(
    transfers: Transfers, tenants: TenantTree
) -> None:
    leg = {"Channel": "PJSIP/a-1", "Uniqueid": "1.1", "Linkedid": "1.1", "AccountCode": "acme"}
    made_up = dict(reversed(event_of("BlindTransfer", "Transferer", **leg).items()))
    transfers.hear(made_up | {"Result": "Success"})
    assert counts(transfers, tenants) == {}


def test_other_events_are_none_of_its_business(transfers: Transfers, tenants: TenantTree) -> None:
    for event in ({}, {"Event": ""}, {"Event": "Hangup", "Result": "Success"}, {"Result": "Success"}):
        transfers.hear(event)
    assert list(transfers.samples("pbx1", tenants, AT)) == []


def test_a_tenant_begins_with_every_combination_and_stays_until_it_has_gone(
    transfers: Transfers, tenants: TenantTree
) -> None:
    transfers.begin(ACME)
    transfers.begin(UNKNOWN_TENANT)
    samples = list(transfers.samples("pbx1", tenants, AT))
    assert len(samples) == 2 * len(KINDS) * len(RESULTS)
    assert {sample.value for sample in samples} == {0}
    assert {sample.metric for sample in samples} == {metric.name for metric in METRICS}
    transfers.keep([f"bd.{RESELLER}"])
    assert {sample.labels[1] for sample in transfers.samples("pbx1", tenants, AT)} == {UNKNOWN_TENANT}
