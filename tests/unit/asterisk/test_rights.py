"""What the login may ask, by ListCommands of both versions."""

import pytest

from collectors.asterisk.rights import (
    MAX_COMMANDS,
    NEEDED,
    WISHES,
    Commands,
    missing,
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
    found = missing(commands(version))
    lacks = {"parked-times"} if version == "22.10.1" else {"parked-times", "voicemail"}
    assert found.keys() == lacks
    assert "write = reporting,command,system,call in manager.conf" in found["parked-times"]


def test_an_action_that_the_login_might_send_lacks_its_module() -> None:
    assert missing(commands("16.28.0"))["voicemail"] == (
        "no mailboxes: Asterisk has no VoicemailUsersList, load app_voicemail"
    )


@pytest.mark.parametrize("version", VERSIONS)
def test_with_reporting_alone_the_rest_is_named_with_the_line_to_write(version: str) -> None:
    mine = commands(version, "ListCommands-reporting")
    require(mine)
    assert missing(mine) == {
        "parked-times": (
            "not how long calls are parked: would take write = reporting,call in manager.conf "
            "(and res_parking), which also allows to hang up, redirect and change calls"
        ),
        "contacts": (
            "no PJSIP contacts and their round trip times: would take write = reporting,system in "
            "manager.conf (and res_pjsip), which also allows to reload, restart and stop Asterisk"
        ),
        "task-processors": (
            "no task processors: would take write = reporting,command in manager.conf, which also allows "
            "every command of Asterisk's console, so whatever Asterisk itself may do there"
        ),
    }


@pytest.mark.parametrize("version", VERSIONS)
def test_what_is_asked_for_without_a_right_is_never_missing(version: str) -> None:
    mine = commands(version, "ListCommands-reporting")
    assert {wish.action for wish in WISHES if not wish.right} <= mine.keys()
    assert {wish.action: mine[wish.action] for wish in WISHES if not wish.right} == {
        "QueueStatus": frozenset(),
        "BridgeList": frozenset(),
    }


def test_each_is_a_short_line() -> None:
    for found in (missing({}), missing(commands("22.10.1", "ListCommands-reporting"))):
        assert all(len(text) <= 190 and text.isprintable() for text in found.values())


def test_the_line_keeps_the_rights_that_the_login_has() -> None:
    mine = {"CoreStatus": frozenset({"system", "reporting"}), "Redirect": frozenset({"call"})}
    assert "would take write = reporting,call,system in manager.conf" in missing(mine)["contacts"]


def test_a_right_that_is_there_is_not_asked_for_where_the_module_is_not() -> None:
    mine = {"CoreStatus": frozenset({"system", "reporting"}), "ModuleCheck": frozenset({"system"})}
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
    assert missing({}).keys() == PARTS
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
