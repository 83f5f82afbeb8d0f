"""What the login may ask, by ListCommands of both versions."""

import re
from pathlib import Path

import pytest

from collectors.asterisk.rights import (
    MAX_COMMANDS,
    NEEDED,
    WISHES,
    Commands,
    missing,
    optional,
    parse_commands,
    require,
)
from dialtone.model import CollectError, CollectFailure
from tests.unit.asterisk.conftest import VERSIONS
from tests.unit.asterisk.test_processors import lines

PARTS = {wish.part for wish in WISHES}


def commands(version: str, name: str = "ListCommands") -> Commands:
    return parse_commands(lines(version, name))


@pytest.mark.parametrize(("version", "number"), [("16.28.0", 79), ("22.10.1", 86)])
def test_every_action_is_read_with_its_rights(version: str, number: int) -> None:
    found = commands(version)
    assert len(found) == number
    assert found["QueueStatus"] == frozenset()
    assert found["CoreStatus"] == {"system", "reporting"}
    assert found["Command"] == {"command"}
    assert not {"Response", "ActionID"} & found.keys()


@pytest.mark.parametrize("version", VERSIONS)
def test_what_a_login_with_most_rights_lacks_is_a_right_or_a_module(version: str) -> None:
    require(commands(version))
    assert missing(commands(version)).keys() == ({"voicemail"} if version == "16.28.0" else set())
    found = optional(commands(version))
    assert found.keys() == {"parked-times"}
    assert "write = reporting,command,system,call in manager.conf" in found["parked-times"]


def test_an_action_that_the_login_might_send_lacks_its_module() -> None:
    assert missing(commands("16.28.0"))["voicemail"] == (
        "no mailboxes: Asterisk has no VoicemailUsersList, load app_voicemail"
    )


@pytest.mark.parametrize("version", VERSIONS)
def test_with_reporting_alone_nothing_is_missing_and_the_rest_is_told_with_what_its_right_allows(
    version: str,
) -> None:
    mine = commands(version, "ListCommands-reporting")
    require(mine)
    assert missing(mine) == {}
    assert optional(mine) == {
        "parked-times": (
            "times of parked calls: not read without write = reporting,call in manager.conf "
            "(and res_parking), which also allows: hang up, redirect and change calls"
        ),
        "contacts": (
            "PJSIP contacts and their round trip times: not read without write = reporting,system in "
            "manager.conf (and res_pjsip), which also allows: reload, restart and stop Asterisk"
        ),
        "task-processors": (
            "task processors: not read without write = reporting,command in manager.conf, which also allows: "
            "every command of the console"
        ),
    }


def test_the_guide_advises_against_the_same_rights_and_says_what_else_they_allow() -> None:
    guide = Path(__file__).parents[3] / "docs" / "asterisk.md"
    rows = re.findall(r"^\| `write = reporting,([a-z]+)` \|.*\| (.*) \|$", guide.read_text(), re.MULTILINE)
    assert dict(rows) == {wish.right: wish.warning for wish in WISHES if wish.warning}


def test_what_a_harmless_right_would_give_is_missing_and_not_optional() -> None:
    mine = {name: rights for name, rights in commands("22.10.1").items() if name != "DeviceStateList"}
    assert missing(mine) == {
        "endpoints": "no phones' states: Asterisk has no DeviceStateList, load res_manager_devicestate"
    }
    assert "endpoints" not in optional(mine)


@pytest.mark.parametrize("version", VERSIONS)
def test_what_is_asked_for_without_a_right_is_never_missing(version: str) -> None:
    mine = commands(version, "ListCommands-reporting")
    assert {wish.action for wish in WISHES if not wish.right} <= mine.keys()
    assert {wish.action: mine[wish.action] for wish in WISHES if not wish.right} == {
        "QueueStatus": frozenset(),
        "BridgeList": frozenset(),
    }


def test_each_is_a_short_line() -> None:
    mine = commands("22.10.1", "ListCommands-reporting")
    for found in (missing({}), optional({}), optional(mine)):
        assert found
        assert all(len(text) <= 190 and text.isprintable() for text in found.values())


def test_the_line_keeps_the_rights_that_the_login_has() -> None:
    mine = {"CoreStatus": frozenset({"system", "reporting"}), "Redirect": frozenset({"call"})}
    assert "not read without write = reporting,call,system in manager.conf" in optional(mine)["contacts"]


def test_a_right_that_is_there_is_not_asked_for_where_the_module_is_not() -> None:
    mine = {"CoreStatus": frozenset({"system", "reporting"}), "ModuleCheck": frozenset({"system"})}
    assert "contacts" not in optional(mine)
    assert missing(mine)["contacts"].endswith("Asterisk has no PJSIPShowContacts, load res_pjsip")
    assert "write = " not in missing(mine)["contacts"]
    assert "set write = system,reporting in manager.conf" in missing(mine)["endpoints"]


@pytest.mark.parametrize("lacking", NEEDED)
@pytest.mark.parametrize("version", VERSIONS)
def test_without_what_is_needed_the_login_is_denied(version: str, lacking: str) -> None:
    mine = {name: rights for name, rights in commands(version).items() if name != lacking}
    with pytest.raises(CollectError, match=r"write = reporting in manager\.conf") as caught:
        require(mine)
    assert caught.value.failure is CollectFailure.DENIED
    assert lacking in caught.value.detail
    assert "read = call,agent,reporting" in caught.value.detail


def test_a_login_without_any_right_is_told_so_in_words() -> None:
    assert missing({}).keys() | optional({}).keys() == PARTS
    assert not missing({}).keys() & optional({}).keys()
    with pytest.raises(CollectError):
        require({})


@pytest.mark.parametrize(
    "line",
    [
        ("Response", "Success"),
        ("Command", ""),
        ("Command", "Execute.  (Priv: )"),
        ("Command", "Execute.  (Priv: command,all"),
        ("Command", "Execute.  (Priv: command,all) (more)"),
        ("Command", f"Execute.  (Priv: {'x' * 9000})"),
        ("Com mand", "Execute.  (Priv: command,all)"),
        ("C" * 65, "Execute.  (Priv: command,all)"),
    ],
)
def test_lines_that_name_no_action_are_left_out(line: tuple[str, str]) -> None:
    assert parse_commands([line]) == {}


def test_words_of_an_action_do_not_pass_for_its_rights() -> None:
    line = ("Odd", "Tells of (Priv: system,all) things.  (Priv: call,all)")
    assert parse_commands([line]) == {"Odd": {"call"}}


def test_more_actions_than_any_server_has_are_not_kept() -> None:
    many = [(f"Action{n}", "x  (Priv: <none>)") for n in range(100_000)]
    assert len(parse_commands(many)) == MAX_COMMANDS
