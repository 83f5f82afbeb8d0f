"""Mailboxes of the recordings."""

from collections.abc import Sequence
from datetime import UTC, datetime

import pytest

from collectors.asterisk.level import Scene
from collectors.asterisk.voicemail import METRICS, levels, parse
from collectors.asterisk.wire import Block
from dialtone.config.tree import TenantTree
from dialtone.model import UNKNOWN_TENANT, Catalog, CollectError, CollectFailure
from tests.unit.asterisk.conftest import RESELLER, items
from tests.unit.asterisk.lists import LAB, Figures, client, lab_tenants, scene, told, without

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
BOX = {"VMContext": "acme", "VoiceMailbox": "100", "NewMessageCount": "3", "OldMessageCount": "40"}


def figures(blocks: Sequence[Block], seen: Scene, tenants: TenantTree) -> Figures:
    shown = levels()
    shown.take(parse(blocks, seen))
    return told(shown.samples("pbx1", tenants, AT))


def test_the_table_keeps_to_the_conventions() -> None:
    assert len(Catalog(METRICS)) == len(METRICS)


def test_mailboxes_are_the_tenants_that_their_context_stands_for(tenants: TenantTree) -> None:
    found = figures(items("22.10.1", "VoicemailUsersList"), scene(tenants), tenants)
    expected: Figures = {}
    for name in ("acme", "bd", "globex"):
        expected["mailboxes", client(name)] = 1
        expected["voicemail_messages", client(name), "new"] = 0
        expected["voicemail_messages", client(name), "old"] = 0
    assert found == expected


def test_the_old_version_has_them_too_once_the_module_is_loaded() -> None:
    tenants = lab_tenants()
    found = figures(items("16.28.0", "VoicemailUsersList-loaded"), scene(tenants), tenants)
    assert {key[1]: value for key, value in found.items() if key[0] == "mailboxes"} == {
        f"acme.ntek.{LAB}": 1,
        f"bolt.ntek.{LAB}": 1,
        f"globex.modulis.{LAB}": 1,
        UNKNOWN_TENANT: 3,  # the lab's other tenants
    }


def test_messages_are_added_up_for_each_tenant(tenants: TenantTree) -> None:
    boxes = [BOX, BOX | {"VoiceMailbox": "101", "NewMessageCount": "2"}, BOX | {"VMContext": "bd"}]
    assert figures(boxes, scene(tenants), tenants) == {
        ("mailboxes", client("acme")): 2,
        ("voicemail_messages", client("acme"), "new"): 5,
        ("voicemail_messages", client("acme"), "old"): 80,
        ("mailboxes", client("bd")): 1,
        ("voicemail_messages", client("bd"), "new"): 3,
        ("voicemail_messages", client("bd"), "old"): 40,
    }


@pytest.mark.parametrize("context", ["default", "", "x" * 5000, "acme\n"])
def test_a_context_of_nobody_is_unknown(context: str, tenants: TenantTree) -> None:
    found = figures([BOX | {"VMContext": context}], scene(tenants, names=""), tenants)
    assert found["mailboxes", UNKNOWN_TENANT] == 1


@pytest.mark.parametrize("header", ["NewMessageCount", "OldMessageCount"])
@pytest.mark.parametrize("value", [None, "", "-1", "nan", "9" * 40])
def test_a_mailbox_without_a_number_is_no_reading(
    header: str, value: str | None, tenants: TenantTree
) -> None:
    box = without(BOX, header) if value is None else BOX | {header: value}
    with pytest.raises(CollectError, match=header) as caught:
        parse([BOX, box], scene(tenants))
    assert caught.value.failure is CollectFailure.PROTOCOL


def test_names_and_addresses_of_people_are_not_told(tenants: TenantTree) -> None:
    shown = levels()
    shown.take(parse(items("22.10.1", "VoicemailUsersList"), scene(tenants)))
    texts = {label for sample in shown.samples("pbx1", tenants, AT) for label in sample.labels}
    assert texts == {"pbx1", RESELLER, "new", "old", *map(client, ("acme", "bd", "globex"))}
