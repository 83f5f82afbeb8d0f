"""The command line: what is always there, what depends, and what may never be."""

from dataclasses import replace
from pathlib import Path

import pytest

from synthetic.sipp.command import BUFFER, command_line
from synthetic.sipp.program import Sipp
from synthetic.sipp.run import Invocation

SIPP = Sipp("/usr/bin/sipp", (3, 6, 1))
UAC = Invocation(Path("/flows/call.xml"), ("127.0.0.1", 40000), ("127.0.0.1", 5060))


def words(invocation: Invocation = UAC, buffer: int = 4_000_000) -> list[str]:
    return command_line(SIPP, invocation, buffer=buffer)


def after(option: str, line: list[str]) -> str:
    return line[line.index(option) + 1]


def test_a_caller_is_told_where_to_and_a_callee_is_not() -> None:
    assert words()[:2] == ["/usr/bin/sipp", "127.0.0.1:5060"]
    assert words(replace(UAC, remote=None))[1] == "-sf"


def test_an_ipv6_address_stands_in_brackets() -> None:
    line = words(replace(UAC, local=("::1", 40000), remote=("::1", 5060)))
    assert line[1] == "[::1]:5060"
    assert after("-i", line) == "[::1]"


def test_the_socket_buffer_is_asked_for_and_never_more_than_the_kernel_grants() -> None:
    assert after("-buff_size", words(buffer=212_992)) == "212992"
    assert after("-buff_size", words(buffer=1 << 30)) == str(BUFFER)


def test_every_wait_of_sipp_has_a_bound() -> None:
    line = words(replace(UAC, answer_within=1.2345, lifetime=61.2))
    assert after("-recv_timeout", line) == "1234"
    assert after("-timeout", line) == "62s"
    assert "-timeout_error" in line
    assert int(after("-max_log_size", line)) <= 1 << 20


def test_the_remote_control_listens_on_loopback_alone() -> None:
    assert after("-ci", words()) == "127.0.0.1"


def test_stdin_is_not_read_and_sipp_never_leaves_for_the_background() -> None:
    assert "-nostdin" in words()
    assert "-bg" not in words()


@pytest.mark.parametrize("option", ["-stf", "-message_file", "-error_file", "-log_file", "-sf"])
def test_files_are_in_the_folder_of_the_run(option: str) -> None:
    assert "/" not in after(option, words())


def test_calls_rate_and_media_port_are_said_where_they_are_given() -> None:
    line = words(replace(UAC, calls=7, rate=2.5, media_port=42000))
    assert (after("-m", line), after("-r", line), after("-mp", line)) == ("7", "2.5", "42000")
    assert not {"-m", "-r", "-mp"} & set(words(replace(UAC, calls=None)))


def test_keys_and_their_values_are_single_words_even_when_they_look_like_options() -> None:
    line = words(replace(UAC, keys={"domain": "acme.example", "odd": "-bg [::1] $(id)"}))
    at = line.index("-key")
    assert line[at : at + 6] == ["-key", "domain", "acme.example", "-key", "odd", "-bg [::1] $(id)"]


@pytest.mark.parametrize(
    "keys",
    [
        {"a b": "x"},
        {"-bg": "x"},
        {"": "x"},
        {"a": "two\r\nlines"},
        {"a": "\r\nName without a colon"},
        {"a": "\r\nName: value\r\n"},
        {"a": "\nName: value"},
        {"a": "nul\0"},
        {"a": "x" * 5000},
        {f"k{number}": "x" for number in range(100)},
    ],
)
def test_keys_that_sipp_would_misread_are_refused(keys: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="SIPp"):
        words(replace(UAC, keys=keys))


def test_the_injection_file_is_indexed_by_its_first_field() -> None:
    line = words(replace(UAC, inject="accounts.csv"))
    at = line.index("-inf")
    assert line[at : at + 5] == ["-inf", "accounts.csv", "-infindex", "accounts.csv", "0"]
    assert "-inf" not in words()


@pytest.mark.parametrize("name", ["/etc/passwd", "../accounts.csv", "-bg"])
def test_an_injection_file_elsewhere_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="folder of the run"):
        words(replace(UAC, inject=name))


@pytest.mark.parametrize("seconds", [0.0, -1.0, float("nan"), float("inf"), 1e6])
def test_a_bound_that_is_none_is_refused(seconds: float) -> None:
    with pytest.raises(ValueError, match="answer_within"):
        words(replace(UAC, answer_within=seconds))
    with pytest.raises(ValueError, match="lifetime"):
        words(replace(UAC, lifetime=seconds))


def test_no_option_carries_a_password() -> None:
    assert not {"-ap", "-au", "-s"} & set(words(replace(UAC, inject="accounts.csv")))


@pytest.mark.parametrize("uri", ["-sn", "", 'a"b', "a b", "a\nb", "x" * 600])
def test_what_is_no_uri_is_given_to_no_digest(uri: str) -> None:
    with pytest.raises(ValueError, match="URI of a digest answer"):
        words(replace(UAC, digest_uri=uri))


def test_no_two_runs_have_a_call_id_in_common() -> None:
    """SIPp's own are of process id and address: the same again in another container, or after a restart."""
    first, second = (after("-cid_str", words(Invocation(UAC.scenario, UAC.local))) for _ in range(2))
    assert first != second
    assert first.startswith("%u-%p-")


@pytest.mark.parametrize("call_ids", ["", "%s", "a b", "x" * 65, "a\r\nVia:"])
def test_a_call_id_of_other_characters_is_refused(call_ids: str) -> None:
    with pytest.raises(ValueError, match="Call-ID"):
        words(replace(UAC, call_ids=call_ids))


def test_keep_alives_in_a_call_are_answered() -> None:
    assert "-aa" in words()
