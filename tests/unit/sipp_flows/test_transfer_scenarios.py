"""What the scenarios of the transfers must have beyond what every scenario has."""

import re
from xml.etree import ElementTree

import pytest

from sipp_flows.catalogue import FLOWS
from sipp_flows.roles import Role
from sipp_flows.transfers import ATTENDED, BLIND, TARGET, TRANSFEREE

FILE_LIMIT = 65536
"""XP_MAX_FILE_LEN in SIPp's src/xp_parser.c, 3.6 and 3.7: a longer scenario is not understood."""
TRANSFERORS = pytest.mark.parametrize("role", [BLIND, ATTENDED], ids=["blind", "attended"])


def parsed(role: Role) -> ElementTree.Element:
    return ElementTree.fromstring(role.path.read_text("utf-8"))  # noqa: S314 - a file of ours


def sent(role: Role, method: str) -> list[str]:
    texts = [element.text or "" for element in parsed(role).iter("send")]
    return [text for text in texts if text.split()[0] == method]


@pytest.mark.parametrize(
    "role", [role for roles in FLOWS.values() for role in roles.values()], ids=lambda role: role.scenario
)
def test_no_scenario_is_longer_than_sipp_reads(role: Role) -> None:
    assert len(role.path.read_bytes()) < FILE_LIMIT


@TRANSFERORS
def test_a_refused_refer_is_told_from_every_other_refusal(role: Role) -> None:
    refusing = [e for e in parsed(role).iter("recv") if e.get("next") == "unreferred"]
    assert {e.get("response_txn") for e in refusing} == {"refer"}
    assert {"403", "404", "481", "486", "488", "503", "603"} <= {e.attrib["response"] for e in refusing}
    for element in refusing:
        assert [log.attrib["message"].split()[0] for log in element.iter("log")] == ["unreferred"]


@TRANSFERORS
def test_refer_names_the_target_and_who_asks(role: Role) -> None:
    refers = sent(role, "REFER")
    assert len(refers) == 3  # without credentials, with them, and once more for a stale nonce
    for text in refers:
        assert "Refer-To: <sip:[target]@[field2]" in text
        assert "Referred-By: <sip:[field1]@[field2]>" in text


def test_only_the_attended_transfer_asks_for_another_calls_place() -> None:
    assert all("Replaces" not in text for text in sent(BLIND, "REFER"))
    for text in sent(ATTENDED, "REFER"):
        (replaces,) = re.findall(r"\?Replaces=(\S+)>", text)
        assert replaces == "consult%2F%2F%2F[$id]%3Bto-tag%3D[$consult_tag]%3Bfrom-tag%3D[pid]c[call_number]"


def test_the_consultation_is_a_dialog_of_its_own() -> None:
    for text in (*sent(ATTENDED, "INVITE"), *sent(ATTENDED, "CANCEL")):
        assert "Call-ID: consult///[call_id]" in text
    ids = {re.findall(r"Call-ID: (\S+)", text)[0] for text in sent(ATTENDED, "BYE")}
    assert ids == {"[call_id]", "consult///[call_id]"}


@TRANSFERORS
def test_no_answer_to_the_refer_and_no_notify_each_have_their_time(role: Role) -> None:
    times = {e.get("ontimeout"): e.get("timeout") for e in parsed(role).iter("recv") if e.get("timeout")}
    assert times["unanswered"] == "5000"
    assert times["unnotified"] == "10000"


@pytest.mark.parametrize("role", [BLIND, ATTENDED, TRANSFEREE, TARGET], ids=lambda role: role.scenario)
def test_every_description_names_a_port_that_sipp_does_not_hold(role: Role) -> None:
    descriptions = re.findall(r"m=audio \[(\w+)\]", role.path.read_text("utf-8"))
    assert descriptions
    assert set(descriptions) == {"rtp"}


def test_what_sipp_can_not_do_is_noted_and_refused() -> None:
    assert "SIP/2.0 501 Not Implemented" in TRANSFEREE.path.read_text("utf-8")
    assert "to-replace" in {e.attrib["message"].split()[0] for e in parsed(TARGET).iter("log")}
