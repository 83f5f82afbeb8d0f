"""Whatever stands in the file, loading ends in settings or in a ConfigError, soon."""

import json
from pathlib import Path
from typing import Final

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dialtone.config import ConfigError, load
from tests.unit.config.conftest import ENVIRON, WHOLE

SECTIONS: Final = st.sampled_from(
    [
        *("location", "data", "listen", "platform", "tenants", "nodes", "topologies", "accounts", "probes"),
        *("caps", "alerts", "access", "external_url", "stress", "objectives", "maintenance"),
    ]
)
KEYS: Final = st.sampled_from(
    [
        *("name", "kind", "domain", "parent", "level", "timezone", "account_codes", "contexts", "labels"),
        *("mi", "ami", "dsn", "username", "password", "interval", "timeout", "heartbeat", "profile"),
        *("file", "env", "flow", "engine", "target", "tenants", "nodes", "receivers", "url", "tokens"),
        *("scope", "token", "events", "database", "language", "names"),
        *("tls", "ca", "verify", "table", "every", "writer"),
        *("flows", "target", "latency", "mos", "period", "zone", "hours", "credits", "promised", "starts"),
        *("passive", "evidence", "begins", "lasts", "recurs", "reason", "timing", "under", "below", "logo"),
    ]
)
WORDS: Final = st.sampled_from(
    [
        *("opensips", "mysql", "asterisk", "galera", "call", "all", "client", "reseller", "15s", "UTC"),
        *("p.example", "a.p.example", "b.a.p.example", "sip:h", "http://h/", "mysql://u@h", "tcp://h"),
        *("127.0.0.1:1", "dialtone.yaml", "\0", "..", "http://[", "a" * 300, "America", "../etc/passwd"),
        *("\ud800", "http://h:x", "mysql://%ff@h", "[::1]:1", "[::]]:1", "९:९", "http://٣", "//"),
        *("https://h", "{tenant}-*", "{tenant}{tenant}", "*", "{"),
        *("99.9%", "0.999", "2026-11-03T02:00", "0001-01-01T00:00Z", "9999-12-31", "FREQ=DAILY", "month"),
        *("999999999d", "1e99%", "٩٩%", "mon-fri 08:00-18:00", "srd", "either"),
    ]
)
LEAVES: Final = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12) | WORDS
VALUES: Final = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(KEYS | st.text(max_size=8), inner, max_size=6)
    ),
    max_leaves=20,
)
HOSTILE: Final = settings(
    deadline=None, max_examples=120, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def problems_of(folder: Path, content: bytes) -> list[str]:
    """Return what is said about a file, nothing where it loads; any other exception fails the test."""
    path = folder / "dialtone.yaml"
    path.write_bytes(content)
    try:
        load(path, environ=ENVIRON)
    except ConfigError as error:
        return [str(problem) for problem in error.problems] or ["nothing said"]
    return []


def check(said: list[str]) -> None:
    assert "nothing said" not in said
    assert all(0 < len(problem) < 2000 for problem in said)
    # Words of pydantic, of Python's types and of tracebacks are not for the people who run this.
    assert not [problem for problem in said if "Input should" in problem or "<class" in problem]


@HOSTILE
@given(st.binary(max_size=200) | st.text(max_size=200).map(lambda text: text.encode("utf-8", "replace")))
def test_any_bytes(folder: Path, content: bytes) -> None:
    check(problems_of(folder, content))


@HOSTILE
@given(st.text(alphabet="abc:-?&*!|>'\"%@`{}[],#\n \t<=~0.", max_size=80))
def test_any_yaml_syntax(folder: Path, text: str) -> None:
    check(problems_of(folder, text.encode()))


@HOSTILE
@given(st.dictionaries(SECTIONS, VALUES, max_size=8))
def test_any_values_under_known_keys(folder: Path, data: object) -> None:
    check(problems_of(folder, json.dumps(data).encode()))


@HOSTILE
@given(st.dictionaries(SECTIONS, st.lists(st.dictionaries(KEYS, LEAVES, max_size=8), max_size=3), max_size=8))
def test_any_entries_below_a_right_platform(folder: Path, data: dict[str, object]) -> None:
    right = {"location": "mtl1", "platform": {"domain": "p.example"}}
    check(problems_of(folder, json.dumps(data | right).encode()))


@HOSTILE
@given(st.integers(0, len(WHOLE)), st.integers(0, 8), st.text(alphabet="a1:{}[],\"'\n -&*", max_size=4))
def test_a_right_configuration_with_one_slip(folder: Path, at: int, gone: int, slipped: str) -> None:
    check(problems_of(folder, (WHOLE[:at] + slipped + WHOLE[at + gone :]).encode()))


@pytest.mark.parametrize(
    "content",
    [
        b"[" * 1_000_000,
        b"{a: " * 250_000,
        b"- " * 500_000,
        b"&a " * 300_000,
        b"a: *a\n" * 100_000,
        b"'" * 1_000_000,
        b"%" * 1_000_000,
        b"? " * 500_000,
        b"9" * 1_000_000,
        b"a: " + b"9" * 1_000_000,
        b"location: " + b"\\" * 1_000_000,
        b"".join(b"k%d: 1\n" % n for n in range(30_000)),
        b"tenants: [" + b"{domain: x}," * 40_000 + b"]",
        b"objectives: [" + b"{name: x}," * 40_000 + b"]",
        b"maintenance: [" + b"{name: x, begins: 2026-11-03T02:00, lasts: 1m, reason: x}," * 10_000 + b"]",
    ],
    ids=lambda content: content[:12].decode(),
)
def test_a_megabyte_of_one_thing(folder: Path, content: bytes) -> None:
    said = problems_of(folder, content)
    check(said)
    assert said


@HOSTILE
@given(
    st.lists(
        st.fixed_dictionaries(
            {"name": st.sampled_from(["a", "b"])},
            optional={
                "flows": st.lists(st.sampled_from(["options", "http", "call"]), max_size=2),
                "target": WORDS | st.sampled_from(["99.9%", "100%", "0.5"]),
                "tenants": st.sampled_from(["all", ["p.example"], ["a.p.example"], ["b.a.p.example"]]),
                "promised": st.booleans(),
                "latency": st.just({"timing": "options_delay", "under": "1s"}),
                "mos": st.floats(),
                "evidence": st.sampled_from(["passive", "either", "synthetic"]),
                "hours": st.lists(WORDS, max_size=2),
                "credits": st.lists(VALUES, max_size=2),
                "period": WORDS,
            },
        ),
        max_size=5,
    ),
    st.lists(
        st.fixed_dictionaries(
            {"name": WORDS, "begins": WORDS, "lasts": WORDS, "reason": WORDS},
            optional={"recurs": WORDS | st.text(alphabet="FREQ=DAILYCOUNT;19", max_size=30), "zone": WORDS},
        ),
        max_size=3,
    ),
)
def test_any_objectives_and_maintenance(folder: Path, objectives: object, maintenance: object) -> None:
    right = {
        "location": "mtl1",
        "platform": {"domain": "p.example"},
        "tenants": [{"domain": "a.p.example"}, {"domain": "b.a.p.example"}],
        "probes": [{"name": "o", "flow": "options", "target": "sip:h"}],
    }
    content = json.dumps({**right, "objectives": objectives, "maintenance": maintenance})
    check(problems_of(folder, content.encode()))


def test_a_path_that_no_system_takes() -> None:
    with pytest.raises(ConfigError, match="embedded null"):
        load(Path("a\0b"), environ={})
