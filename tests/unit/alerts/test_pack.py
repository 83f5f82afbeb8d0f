"""The rule pack as it is, an operator's file over it, and every way in which such a file can be wrong.

Each file of tests/data/alerts/packs/broken/ is a rule file followed by what is said about it: the lines
after `#!` at its end, in the form `line: path: message`.
"""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from alerts.engine import AlertEngine
from alerts.pack import MAX_RULES, PACK
from alerts.rules import Rule, When
from dialtone.config import ConfigError
from dialtone.model import ABOUT, Outcome, Severity, Trouble
from tests.fakes.alerts import LATE, NOON, STOPPED, poll, result, rules

BROKEN: Final = Path(__file__).parents[2] / "data" / "alerts" / "packs" / "broken"
CASES: Final = sorted(BROKEN.glob("*.yaml"))

MINE: Final = "{name: Mine, when: node-down, severity: warning, for: 5m, summary: '{node}', felt: 'f'}"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Return where an operator's file may be."""
    return tmp_path / "rules.yaml"


def write(file: Path, *entries: str) -> Path:
    """Write a rule file with these entries."""
    file.write_text("rules:\n" + "".join(f"  - {entry}\n" for entry in entries))
    return file


@pytest.mark.parametrize("path", CASES, ids=[path.stem for path in CASES])
def test_a_broken_rule_file_is_answered_in_exactly_these_words(path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        rules(path)
    assert caught.value.source == path
    said = [f"{problem.line or '-'}: {problem}" for problem in caught.value.problems]
    assert said == re.findall(r"^#! (.*)$", path.read_text("utf-8"), re.MULTILINE)


def test_the_pack_has_every_kind_of_trouble() -> None:
    told = [
        (rule.name, rule.when, rule.severity, rule.hold, rule.failing, rule.of)
        for rule in rules()
        if rule.when is not When.DATABASE_TROUBLE
    ]
    assert told == [
        ("NodeDown", When.NODE_DOWN, Severity.CRITICAL, 8, 1, 1),
        ("ProbeFailing", When.PROBE_FAILING, Severity.CRITICAL, 0, 2, 3),
        ("CertificateExpiring", When.CERTIFICATE_EXPIRING, Severity.WARNING, 0, 1, 1),
    ]
    assert {rule.when for rule in rules()} == set(When)


def test_of_databases_what_costs_tenants_wakes_somebody_and_the_rest_waits() -> None:
    told = [(rule.name, rule.severity, rule.hold) for rule in rules() if rule.when is When.DATABASE_TROUBLE]
    assert [(name, hold) for name, severity, hold in told if severity is Severity.CRITICAL] == [
        ("ReplicationBroken", 0),
        ("ReplicationStalled", 0),
        ("DatabaseNoWriter", 0),
        ("DatabaseTwoWriters", 0),
        ("SplitBrain", 0),
        ("GaleraNonPrimary", 0),
        ("GaleraFlowControl", 60),
    ]
    assert {name: hold for name, _, hold in told if hold} == {
        "ReplicationLate": 60,
        "NotRead": 60,
        "GaleraOutOfStep": 60,
        "GaleraFlowControl": 60,
    }


def test_every_trouble_but_a_node_that_is_down_is_one_rules() -> None:
    named = [trouble for rule in rules() for trouble in rule.troubles]
    assert sorted([*named, Trouble.MEMBER_DOWN]) == sorted(Trouble)


def test_the_page_about_alerts_has_each_rule_of_the_pack_and_each_trouble() -> None:
    page = (Path(__file__).parents[3] / "docs" / "alerts.md").read_text("utf-8")
    for word in (*(rule.name for rule in rules()), *Trouble, *When):
        assert f"`{word}`" in page, word


def test_the_packs_words_can_be_filled_with_what_alerts_are_about() -> None:
    for rule in rules():
        for words in (rule.summary, rule.felt):
            filled = words.format(**{field: f"<{field}>" for field in ABOUT})
            assert "{" not in filled
            assert filled == filled.strip() != ""


def test_a_file_changes_single_keys_of_a_rule_and_leaves_the_rest_of_it(file: Path) -> None:
    write(file, "{name: NodeDown, for: 1m}", "{name: ProbeFailing, failing: 1, of: 1, severity: warning}")
    ours, theirs = {rule.name: rule for rule in rules()}, {rule.name: rule for rule in rules(file)}
    assert list(theirs) == list(ours)
    assert (theirs["NodeDown"].hold, theirs["NodeDown"].severity) == (60, Severity.CRITICAL)
    assert theirs["NodeDown"].summary == ours["NodeDown"].summary
    assert (theirs["ProbeFailing"].failing, theirs["ProbeFailing"].of) == (1, 1)
    assert theirs["ProbeFailing"].severity is Severity.WARNING


def test_a_rule_may_say_again_what_it_looks_at(file: Path) -> None:
    assert rules(write(file, "{name: NodeDown, when: node-down, for: 1m}"))[0].hold == 60


def test_a_new_name_is_a_rule_more_beside_the_packs_of_its_kind(file: Path) -> None:
    write(file, MINE)
    assert [rule.name for rule in rules(file)][-1] == "Mine"
    engine = AlertEngine(rules(file))
    told = engine.node_polled(poll("sip1", up=False), NOON)
    assert sorted(event.rule for event in told) == ["Mine", "NodeDown"]
    assert len({event.fingerprint for event in told}) == 2


def test_two_rules_about_probes_count_each_for_itself(file: Path) -> None:
    first = "{name: First, when: probe-failing, severity: warning, failing: 1, of: 1, summary: s, felt: f}"
    engine = AlertEngine(rules(write(file, first)))
    told = engine.probe_ended(result(Outcome.FAIL), NOON)
    assert sorted(f"{event.rule} {event.state}" for event in told) == ["First firing", "ProbeFailing pending"]


def test_a_rule_that_is_not_enabled_is_out_and_its_alerts_end(file: Path) -> None:
    engine = AlertEngine(rules())
    engine.node_polled(poll("sip1", up=False), NOON)
    without = AlertEngine(rules(write(file, "{name: NodeDown, enabled: false}", MINE)))
    [ended] = without.restore(engine.active, watched=lambda _: True, now=NOON)
    assert (ended.rule, ended.cause) == ("NodeDown", "no longer watched")
    assert [event.rule for event in without.node_polled(poll("sip1", up=False), NOON)] == ["Mine"]


def test_a_rule_that_is_not_enabled_is_checked_all_the_same(file: Path) -> None:
    with pytest.raises(ConfigError, match="4 of 3 slots"):
        rules(write(file, "{name: ProbeFailing, enabled: false, failing: 4}"))


def test_an_empty_list_changes_nothing(file: Path) -> None:
    file.write_text("rules: []\n")
    assert [rule.name for rule in rules(file)] == [rule.name for rule in rules()]


@pytest.mark.parametrize("nothing", ["0s", "0", "0ms", "0.0s", "00m"])
def test_no_time_at_all_fires_at_the_first_bad_observation(file: Path, nothing: str) -> None:
    engine = AlertEngine(rules(write(file, f"{{name: NodeDown, for: {nothing}}}")))
    assert [event.state for event in engine.node_polled(poll(up=False), NOON)] == ["firing"]


def test_a_rule_about_databases_looks_at_its_troubles_alone(file: Path) -> None:
    mine = "{name: Mine, when: database-trouble, troubles: [late, no-writer], severity: warning, for: 0s, "
    engine = AlertEngine(rules(write(file, mine + 'summary: "{topology} {node} {channel}", felt: f}')))
    assert "Mine" not in [event.rule for event in engine.topology_judged(STOPPED, NOON)]
    assert "Mine" in [event.rule for event in engine.topology_judged(LATE, NOON)]


def test_the_troubles_of_a_rule_of_the_pack_can_be_changed(file: Path) -> None:
    engine = AlertEngine(rules(write(file, "{name: ReplicationBroken, troubles: [io-stopped]}")))
    assert engine.topology_judged(STOPPED, NOON) == []


@pytest.mark.parametrize("former", ["replication-broken", "replication-late"])
def test_who_still_writes_what_rules_about_replicas_were_reads_what_to_write(file: Path, former: str) -> None:
    old = f"{{name: Mine, when: {former}, severity: warning, over: 1h, for: 1m, summary: s, felt: f}}"
    with pytest.raises(ConfigError) as caught:
        rules(write(file, old))
    over, when = sorted(caught.value.problems, key=lambda problem: problem.path)
    assert over.path.endswith(".over")
    assert "`lag` of the topology in dialtone.yaml" in over.message
    troubles = re.search(r"`troubles: (\[.*?\])`", when.message)
    assert troubles is not None
    new = f"{{name: Mine, when: database-trouble, troubles: {troubles[1]}, severity: warning, for: 1m, "
    assert rules(write(file, new + "summary: s, felt: f}"))[-1].name == "Mine"


def test_braces_that_are_meant_are_written_twice(file: Path) -> None:
    rule = rules(write(file, "{name: NodeDown, summary: '{{{node}}} is down'}"))[0]
    assert rule.summary.format(node="sip1") == "{sip1} is down"


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda path: None, "does not exist"),
        (lambda path: path.mkdir(), "is a folder, not a file"),
        (lambda path: path.write_bytes(b"rules: [\xff]"), "is not UTF-8 text"),
        (lambda path: path.write_bytes(b"#" * ((1 << 20) + 1)), "is larger than"),
    ],
    ids=["missing", "folder", "binary", "large"],
)
def test_a_file_that_can_not_be_read_is_one_problem(
    file: Path, make: Callable[[Path], object], words: str
) -> None:
    make(file)
    with pytest.raises(ConfigError, match=words) as caught:
        rules(file)
    assert len(caught.value.problems) == 1


def test_a_path_with_a_nul_is_a_problem_too() -> None:
    with pytest.raises(ConfigError):
        rules(Path("a\0b"))


def test_more_rules_than_a_person_has_are_refused(file: Path) -> None:
    many = [MINE.replace("Mine", f"Mine{number}") for number in range(MAX_RULES + 1)]
    assert len(rules(write(file, *many[:-1]))) == MAX_RULES + len(rules())
    with pytest.raises(ConfigError, match="has 101 rules; 100 are the most"):
        rules(write(file, *many))


KEYS: Final = st.sampled_from(
    [
        *(
            "name",
            "when",
            "severity",
            "for",
            "over",
            "troubles",
            "failing",
            "of",
            "enabled",
            "summary",
            "felt",
        ),
        "rules",
    ]
)
WORDS: Final = st.sampled_from(
    [
        *When,
        *Severity,
        "late",
        "replication-late",
        "NodeDown",
        "ProbeFailing",
        "15s",
        "0s",
        "{node}",
        "{tenant}",
        "{",
        "}}",
        "{0!r:{}}",
    ]
)
LEAVES: Final = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | WORDS
ENTRIES: Final = st.dictionaries(
    KEYS | st.text(max_size=5), LEAVES | st.lists(LEAVES, max_size=2), max_size=8
)


HOSTILE: Final = settings(
    deadline=None, max_examples=120, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def read_or_refused(file: Path) -> tuple[Rule, ...]:
    """Return the rules of a file, the pack's where it is refused with a reason; nothing else may happen."""
    try:
        return rules(file)
    except ConfigError as error:
        return rules() if error.problems else ()


@HOSTILE
@given(entries=st.lists(ENTRIES | LEAVES, max_size=4))
def test_whatever_stands_in_a_file_is_a_rule_or_a_problem(file: Path, entries: list[object]) -> None:
    file.write_text(json.dumps({"rules": entries}), "utf-8")
    found = read_or_refused(file)
    assert found
    for rule in found:
        assert (rule.summary + rule.felt).format(**dict.fromkeys(ABOUT, "x"))
        assert 0 <= rule.hold <= 86400
        assert 1 <= rule.failing <= rule.of <= 100


@HOSTILE
@given(
    content=st.binary(max_size=60) | st.text(max_size=60).map(lambda text: text.encode("utf-8", "replace"))
)
def test_whatever_bytes_a_file_ends_in_nothing_but_problems_comes_of_it(file: Path, content: bytes) -> None:
    file.write_bytes(PACK.read_bytes() + content)
    assert read_or_refused(file)
