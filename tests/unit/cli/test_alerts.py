"""dialtone alerts: what the store holds, in words and as JSON, and receivers that can't be tried."""

import json
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import anyio
import pytest

from dialtone.model import AlertEvent, AlertMessage, AlertState, MessageState, Severity
from dialtone.store import open_store
from tests.fakes.records import an_alert
from tests.unit.cli.conftest import Dialtone

URL: Final = "http://127.0.0.1:9/hook/planted-7718-key"
LABEL: Final = "a" * 63
LONG: Final = f"{LABEL}.{LABEL}.ntek.clusterpbx.example"
REFUSED: Final = "no connection (Connection refused)"

Settled = tuple[str, MessageState, str]


@pytest.fixture
def told(config: Path) -> Path:
    """Return a configuration with two receivers, whose addresses are secrets."""
    with config.open("a") as file:
        file.write(f"alerts: {{receivers: [{{name: ops, url: '{URL}'}}, {{name: chat, url: '{URL}'}}]}}\n")
    return config


def ago(**span: float) -> datetime:
    return datetime.now(UTC) - timedelta(**span)


def fill(
    config: Path,
    events: Sequence[AlertEvent] = (),
    messages: Sequence[AlertMessage] = (),
    *,
    settled: Sequence[Settled] = (),
    tried: Sequence[tuple[str, str]] = (),
) -> None:
    """Have alerts and messages kept as a service keeps them."""

    async def keep() -> None:
        store = await open_store(config.parent / "data")
        await store.put_alerts(events, messages)
        for key, detail in tried:
            await store.note_try(key, detail)
        for key, state, detail in settled:
            await store.settle_message(key, state, ago(minutes=1), detail)
        await store.aclose()

    anyio.run(keep)


def message(key: str, receiver: str = "ops", **changes: Any) -> AlertMessage:
    values: dict[str, Any] = {"events": (an_alert(tenant=None, node="db2", rule="NodeDown"),)}
    return AlertMessage(key, receiver, **(values | {"created": ago(hours=2, minutes=5)} | changes))


def three(config: Path) -> None:
    fill(
        config,
        [
            an_alert("f1", since=ago(minutes=3), flow="call", probe="calls", cause="3 of 3 failed"),
            an_alert("f2", None, node="db2", state=AlertState.PENDING, since=ago(seconds=8), rule="NodeDown"),
            an_alert(
                "f3",
                None,
                node="db1",
                state=AlertState.RESOLVED,
                started=ago(days=3),
                since=ago(days=2, hours=3),
            ),
        ],
    )


def test_without_data_it_says_so_makes_none_and_ends_with_0(dialtone: Dialtone, told: Path) -> None:
    said = dialtone("alerts", "list", told)
    assert (said.code, said.err) == (0, "")
    assert said.out == f"no data yet: {told.parent}/data holds no store; `dialtone serve` makes it\n"
    said = dialtone("alerts", "list", told, "--format", "json")
    assert (said.code, json.loads(said.out)["data"], json.loads(said.out)["alerts"]) == (0, False, [])
    assert not (told.parent / "data").exists()


def test_no_alert_is_0_and_says_so(dialtone: Dialtone, told: Path) -> None:
    fill(told)
    said = dialtone("alerts", "list", told)
    assert (said.code, said.err) == (0, "")
    assert said.out.splitlines() == ["no alert", "", "ops: no message waits", "chat: no message waits"]


def test_what_fires_comes_before_what_pends_and_what_ended_is_asked_for(
    dialtone: Dialtone, config: Path
) -> None:
    three(config)
    said = dialtone("alerts", "list", config)
    heads = [line for line in said.out.splitlines() if line.strip() == line != ""]
    assert (said.code, heads) == (0, ["FIRING critical ProbeFailing", "PENDING critical NodeDown"])
    for words in ("3m ago", "tenant acme.ntek.clusterpbx.example", "flow call", "probe calls", "node db2"):
        assert words in said.out
    assert "  3 of 3 failed\n" in said.out
    said = dialtone("alerts", "list", config, "--all")
    heads = [line for line in said.out.splitlines() if line.strip() == line != ""]
    assert heads[2:] == ["RESOLVED critical ProbeFailing"]
    assert "2d 3h ago" in said.out


def test_what_pended_and_never_fired_is_no_alert_that_ended(dialtone: Dialtone, config: Path) -> None:
    fill(config, [an_alert("f1", state=AlertState.RESOLVED, started=None)])
    assert dialtone("alerts", "list", config, "--all").out.splitlines()[0] == "no alert"


def test_json_has_the_alerts_with_every_field_and_as_many(dialtone: Dialtone, config: Path) -> None:
    three(config)
    said = dialtone("alerts", "list", config, "--format", "json")
    found = json.loads(said.out)
    assert [(alert["state"], alert["node"]) for alert in found["alerts"]] == [
        ("firing", None),
        ("pending", "db2"),
    ]
    assert found["data"] is True
    assert found["alerts"][0].keys() >= set(AlertEvent.__slots__)
    said = dialtone("alerts", "list", config, "--format", "json", "--all")
    assert [alert["state"] for alert in json.loads(said.out)["alerts"]] == ["firing", "pending", "resolved"]


def test_messages_that_wait_are_told_by_receiver_with_what_holds_them_up(
    dialtone: Dialtone, told: Path
) -> None:
    waiting = [message("k1"), message("k2", created=ago(minutes=1)), message("k3", "gone")]
    fill(told, messages=waiting, tried=[("k1", "the receiver answered 500"), ("k1", REFUSED)])
    said = dialtone("alerts", "list", told)
    assert said.out.splitlines() == [
        "no alert",
        "",
        f"ops: 2 messages wait, the oldest for 2h 5m, tried 2 times: {REFUSED}",
        "chat: no message waits",
        "gone (no longer configured): 1 message waits, the oldest for 2h 5m",
    ]
    found = json.loads(dialtone("alerts", "list", told, "--format", "json").out)
    ops = {"receiver": "ops", "configured": True, "waiting": 2, "tries": 2, "detail": REFUSED}
    assert ops.items() <= found["receivers"][0].items()
    assert [(r["receiver"], r["waiting"], r["oldest"]) for r in found["receivers"][1:2]] == [
        ("chat", 0, None)
    ]
    assert found["receivers"][2]["configured"] is False


def test_messages_that_were_given_up_are_named_newest_first_and_delivered_ones_are_not(
    dialtone: Dialtone, told: Path
) -> None:
    keys = [f"k{number:02}" for number in range(25)]
    fill(
        told,
        messages=[message(key) for key in [*keys, "fine"]],
        settled=[
            *((key, MessageState.REFUSED, f"the receiver answered 404 to {key}") for key in keys[:24]),
            (keys[24], MessageState.DROPPED, ""),
            ("fine", MessageState.DELIVERED, ""),
        ],
    )
    lines = dialtone("alerts", "list", told).out.splitlines()
    assert lines[4] == "given up: 25 messages"
    assert any(line.startswith("  ops dropped, 20") for line in lines)
    assert [line.rpartition(" ")[2] for line in lines if "refused" in line][:2] == ["k23", "k22"]
    assert "    NodeDown firing, node db2" in lines
    assert lines[-1] == "  and 5 earlier ones (--format json has all)"
    found = json.loads(dialtone("alerts", "list", told, "--format", "json").out)
    assert {entry["key"] for entry in found["given_up"]} == {*keys}
    assert found["given_up"][0]["alerts"][0]["node"] == "db2"


def test_long_names_fit_80_columns_whole(
    dialtone: Dialtone, told: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    event = an_alert("f1", LONG, node=LABEL, probe=LABEL, severity=Severity.WARNING, cause="why " * 60)
    late = message("k1", receiver=LABEL, events=(event,))
    fill(
        told,
        [event],
        [late, message("k2", receiver=LABEL, events=(event,))],
        settled=[("k2", MessageState.REFUSED, "x" * 200)],
    )
    lines = dialtone("alerts", "list", told).out.splitlines()
    assert max(map(len, lines)) <= 80
    assert LONG in "".join(line.strip() for line in lines)


def test_what_a_server_said_can_not_drive_the_terminal(dialtone: Dialtone, config: Path) -> None:
    fill(config, [an_alert(cause="\x1b]0;owned\x07 \x1b[2J\u202eabc\nFIRING critical Forged")])
    said = dialtone("alerts", "list", config)
    assert "\x1b" not in said.out
    assert "\u202e" not in said.out
    assert "FIRING critical Forged" not in said.out.splitlines()


def test_no_receivers_address_is_ever_shown(dialtone: Dialtone, told: Path) -> None:
    fill(told, messages=[message("k1")], tried=[("k1", REFUSED)])
    for arguments in (["list", told], ["list", told, "--format", "json"], ["test", told]):
        said = dialtone("alerts", *arguments)
        assert "planted" not in said.out + said.err
        assert "/hook" not in said.out + said.err


@pytest.mark.parametrize("damage", ["rubbish", "newer"])
def test_a_store_that_can_not_be_read_is_7(dialtone: Dialtone, config: Path, damage: str) -> None:
    path = config.parent / "data" / "dialtone.sqlite3"
    path.parent.mkdir()
    if damage == "rubbish":
        path.write_bytes(b"no database at all" * 100)
    else:
        with closing(sqlite3.connect(path)) as database:
            database.execute("PRAGMA user_version = 4711")
    said = dialtone("alerts", "list", config)
    assert (said.code, said.out) == (7, "")
    assert str(path) in said.err


def test_nobody_to_test_is_3(dialtone: Dialtone, config: Path) -> None:
    said = dialtone("alerts", "test", config)
    assert (said.code, said.out) == (3, "")
    assert f"{config} has no receivers; add one under alerts: receivers:" in said.err


def test_an_unknown_receiver_is_3_and_answered_with_those_there_are(dialtone: Dialtone, told: Path) -> None:
    said = dialtone("alerts", "test", told, "--receiver", "ops", "--receiver", "opps")
    assert (said.code, said.out) == (3, "")
    assert "no receiver is called 'opps'; " in said.err
    assert "has ops, chat" in said.err


def test_receivers_that_are_not_there_are_2_each_in_a_line(dialtone: Dialtone, told: Path) -> None:
    said = dialtone("alerts", "test", told)
    assert (said.code, said.err) == (2, "")
    assert said.out == f"ops: {REFUSED}\nchat: {REFUSED}\n"
    said = dialtone("alerts", "test", told, "--receiver", "chat", "--receiver", "chat")
    assert (said.code, said.out) == (2, f"chat: {REFUSED}\n")
    assert not (told.parent / "data").exists(), "a test keeps nothing"


@pytest.mark.parametrize("command", ["list", "test"])
def test_a_broken_configuration_is_3(dialtone: Dialtone, config: Path, command: str) -> None:
    config.write_text(config.read_text().replace("location:", "locaton:"))
    said = dialtone("alerts", command, config)
    assert (said.code, said.out) == (3, "")
    assert "did you mean 'location'?" in said.err
