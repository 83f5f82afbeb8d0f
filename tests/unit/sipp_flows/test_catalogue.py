"""The scenarios and the catalogue tell the same."""

import re
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import pytest

import sipp_flows
from dialtone.model import Flow
from sipp_flows.catalogue import CALLER, FLOWS, REGISTER
from sipp_flows.roles import COLUMNS, INJECTION, Cue, Note, Role
from sipp_flows.transfers import ATTENDED

FOLDER = Path(sipp_flows.__file__).parent
ROLES = {role.scenario: role for roles in FLOWS.values() for role in roles.values()}
EVERY_ROLE = pytest.mark.parametrize("role", ROLES.values(), ids=ROLES)
BUILT_IN = {
    *("transport", "local_ip", "local_port", "media_ip", "media_ip_type", "media_port", "branch", "call_id"),
    *("call_number", "cseq", "pid", "len", "next_url", "routes", "last_Via:", "last_From:", "last_To:"),
    *("last_Call-ID:", "last_CSeq:", "last_Record-Route:", "remote_ip", "remote_port"),
}
"""Keywords that both SIPp 3.6 and 3.7 know."""
KEYWORD = re.compile(r"\[([^\[\]\"]+(?:\"[^\"]*\")?[^\[\]\"]*(?:\"[^\"]*\")?)\]")


def parsed(role: Role) -> ElementTree.Element:
    return ElementTree.fromstring(role.path.read_text("utf-8"))  # noqa: S314 - a file of ours


def texts(role: Role) -> Iterator[str]:
    """All that SIPp fills keywords into: messages and attributes of actions; a regexp has brackets too."""
    for element in parsed(role).iter():
        if element.tag == "send":
            yield element.text or ""
        yield from (value for name, value in element.attrib.items() if name in ("message", "value", "key"))


def keywords(role: Role) -> set[str]:
    found: set[str] = set()
    for text in texts(role):
        for keyword in KEYWORD.findall(text):
            found |= {keyword, *KEYWORD.findall(keyword)}
    return found


def first_words(role: Role) -> set[str]:
    return {log.attrib["message"].split()[0] for log in parsed(role).iter("log")}


def test_every_scenario_is_in_the_catalogue_and_every_one_that_it_names_exists() -> None:
    assert {str(path.relative_to(FOLDER)) for path in FOLDER.rglob("*.xml")} == set(ROLES)


def test_every_flow_has_its_roles() -> None:
    assert set(FLOWS) == set(Flow) - {Flow.HTTP}
    assert all(roles["register"] is REGISTER for roles in FLOWS.values() if "register" in roles)


@EVERY_ROLE
def test_a_scenario_is_xml_and_is_called_as_its_file(role: Role) -> None:
    assert parsed(role).tag == "scenario"
    assert parsed(role).attrib["name"] == role.path.stem


@EVERY_ROLE
def test_every_key_is_declared_and_used(role: Role) -> None:
    used = {
        keyword
        for keyword in keywords(role) - BUILT_IN
        if not keyword.startswith(("$", "field", "authentication "))
    }
    assert used == set(role.keys)


@EVERY_ROLE
def test_only_columns_of_the_injection_file_are_asked_for(role: Role) -> None:
    fields = {int(number) for text in texts(role) for number in re.findall(r"\[field(\d+)", text)}
    assert bool(fields) is role.injected
    assert fields <= set(range(len(COLUMNS)))


@EVERY_ROLE
def test_log_lines_begin_with_the_words_of_the_catalogue(role: Role) -> None:
    assert first_words(role) == {str(note) for note in role.notes}


def test_no_word_is_without_a_scenario() -> None:
    assert set().union(*(role.notes for role in ROLES.values())) == set(Note)


@EVERY_ROLE
def test_timers_are_those_of_the_catalogue(role: Role) -> None:
    elements = list(parsed(role).iter())
    started = {element.attrib["start_rtd"] for element in elements if "start_rtd" in element.attrib}
    stopped = {element.attrib["rtd"] for element in elements if "rtd" in element.attrib}
    assert started == stopped == set(role.timers)


@EVERY_ROLE
def test_every_jump_has_its_label_and_every_label_a_jump_or_a_way_in(role: Role) -> None:
    elements = list(parsed(role).iter())
    labels = [element.attrib["id"] for element in elements if element.tag == "label"]
    jumps = {
        element.attrib[name]
        for element in elements
        for name in ("next", "ontimeout")
        if name in element.attrib
    }
    assert len(labels) == len(set(labels))
    assert jumps == set(labels)


@EVERY_ROLE
def test_no_optional_message_is_without_a_jump(role: Role) -> None:
    """SIPp 3.6 goes to sleep for good when such a message comes before it has begun to wait."""
    waits = [element for element in parsed(role).iter("recv") if element.attrib.get("optional")]
    assert all("next" in element.attrib for element in waits)


@EVERY_ROLE
def test_every_request_is_retransmitted_but_ack(role: Role) -> None:
    for element in parsed(role).iter("send"):
        first = (element.text or "").split()[0]
        if first not in ("ACK", "SIP/2.0"):
            assert element.attrib["retrans"] == "500", first


@EVERY_ROLE
def test_credentials_come_from_the_injection_file_alone(role: Role) -> None:
    text = role.path.read_text("utf-8")
    answers = re.findall(r"\[authentication [^\]]*\][^\]]*\][^\]]*\]", text)
    assert len(answers) == text.count("[authentication")
    assert set(answers) <= {'[authentication username="[field3]" password="[field4]"]'}
    assert COLUMNS[3:5] == ("auth_user", "password")


@pytest.mark.parametrize("role", [REGISTER, CALLER], ids=["register", "caller"])
def test_both_clients_end_at_every_final_response_that_refuses(role: Role) -> None:
    handled = {
        int(element.attrib["response"])
        for element in parsed(role).iter("recv")
        if element.attrib.get("next") == "refused"
    }
    assert {300, 302, 400, 403, 404, 408, 480, 486, 487, 488, 500, 503, 600, 603} <= handled
    assert not {401, 407} & handled
    assert len(handled | {423}) == 60


@EVERY_ROLE
def test_what_is_refused_is_a_failed_call_in_the_counts(role: Role) -> None:
    """By an action that never holds, on the message itself for 3.6 and at the end for 3.7."""
    for element in parsed(role).iter("recv"):
        if element.attrib.get("next") in ("refused", "dropped", "refusing"):
            last = list(element.iter())[-1]
            assert (last.tag, last.attrib["check_it"]) == ("test", "true")
    assert not [s for s in parsed(role).iter() if s.attrib.get("assign_to") == "never"]


def test_the_caller_looks_up_whom_it_calls_in_the_injection_file() -> None:
    (lookup,) = parsed(CALLER).iter("lookup")
    assert lookup.attrib["file"] == INJECTION
    assert lookup.attrib["key"] == f"[field{COLUMNS.index('calls')}]"


@EVERY_ROLE
def test_who_waits_for_calls_begins_by_waiting_and_others_by_sending(role: Role) -> None:
    first = next(e for e in parsed(role) if e.tag in ("send", "recv")).tag
    assert first == ("recv" if role.serves else "send")


@EVERY_ROLE
def test_cues_are_those_of_the_catalogue(role: Role) -> None:
    waited_for = {e.attrib["request"] for e in parsed(role).iter("recv") if "request" in e.attrib}
    assert waited_for & set(Cue) == set(role.cues)


@EVERY_ROLE
def test_a_challenge_is_told_from_one_to_an_older_request(role: Role) -> None:
    """By transaction, or by its CSeq; but for the consultation, for which SIPp reads too short a file."""
    for element in parsed(role).iter("recv"):
        if element.get("auth") and not element.get("response_txn") and role is not ATTENDED:
            assert "old" in {test.get("assign_to") for test in element.iter("test")}
