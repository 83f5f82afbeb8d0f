"""Kamailio's figures under OpenSIPS's names."""

import json
from typing import Final

import pytest

from lab.front.statistics import STATISTICS, chosen, translated
from tests.contract.mi_shapes import recorded
from tests.fakes.kamailio import RECORDING

FIGURES: Final[dict[str, int]] = json.loads(RECORDING.read_text())["stats.fetchn"]


def _by_name() -> dict[str, int]:
    return {statistic.full_name: value for statistic, value in translated(FIGURES).items()}


def test_types_are_those_of_the_recording() -> None:
    listed = recorded("live-list_statistics")
    assert isinstance(listed, dict)
    assert {s.full_name: s.type for s in STATISTICS}.items() <= listed["result"].items()


def test_replies_are_summed_by_class() -> None:
    answers = _by_name()
    assert FIGURES["sl.2xx_replies"] == 0
    assert answers["sl:2xx_replies"] == FIGURES["sl.200_replies"] > 0
    assert answers["sl:4xx_replies"] == FIGURES["sl.401_replies"] + FIGURES["sl.407_replies"] == 10
    assert sum(answers[f"sl:{n}xx_replies"] for n in range(1, 7)) == answers["sl:sent_replies"]


def test_transactions_and_contacts_are_found_under_their_other_names() -> None:
    answers = _by_name()
    assert answers["tm:received_replies"] == FIGURES["tmx.rpl_received"] > 0
    assert answers["usrloc:location-contacts"] == FIGURES["usrloc.location_contacts"] == 3
    assert answers["dialog:active_dialogs"] == 7


def test_what_kamailio_does_not_count_is_absent() -> None:
    answers = _by_name()
    absent = {"core:slow_messages", "tm:cluster_reply_sent", "dialog:create_sent", "load:load"}
    assert not absent & answers.keys()
    assert translated({}) == {}


@pytest.mark.parametrize(
    ("wanted", "names"),
    [
        (["active_dialogs"], ["dialog:active_dialogs"]),
        (["dialog:active_dialogs"], []),
        (["nosuch", "nosuch:"], []),
        (["rcv_replies", "registered_users", "rcv_replies"], ["core:rcv_replies", "usrloc:registered_users"]),
    ],
)
def test_a_request_names_statistics_bare(wanted: list[str], names: list[str]) -> None:
    assert [statistic.full_name for statistic in chosen(translated(FIGURES), wanted)] == names


def test_a_request_names_whole_groups() -> None:
    found = chosen(translated(FIGURES), ["dialog:", "sl:"])
    assert {statistic.group for statistic in found} == {"dialog", "sl"}
    assert len(chosen(translated(FIGURES), ["all"])) == len(translated(FIGURES))
