"""What the engine's tests are told in: instants, words, slots as letters."""

from datetime import datetime, timedelta
from typing import Final, Literal

from alerts.engine import AlertEngine
from dialtone.model import (
    AlertEvent,
    Outcome,
)
from tests.fakes.alerts import NOON, poll, result

TICK: Final = timedelta(microseconds=1)


def after(seconds: float) -> datetime:
    """Return an instant so many seconds after noon."""
    return NOON + timedelta(seconds=seconds)


def told(events: list[AlertEvent]) -> list[str]:
    """Return events as "Rule state"."""
    return [f"{event.rule} {event.state}" for event in events]


def node_down(engine: AlertEngine, name: str = "db2", start: float = 0) -> None:
    """Let a node fail two polls of the default interval."""
    for seconds in (start, start + 15):
        engine.node_polled(poll(name, up=False), after(seconds))


ATTEMPTS: Final[dict[str, list[tuple[Outcome, Literal[1, 2]]]]] = {
    "g": [(Outcome.PASS, 1)],
    "b": [(Outcome.FAIL, 1), (Outcome.FAIL, 2)],
    "f": [(Outcome.FAIL, 1), (Outcome.PASS, 2)],
    "u": [(Outcome.INCONCLUSIVE, 1)],
    "x": [(Outcome.FAIL, 1), (Outcome.INCONCLUSIVE, 2)],
    "-": [],
}
"""Slots: good, bad, flapped, unknown, unknown after a failure, and left out."""


def slots(engine: AlertEngine, verdicts: str, first: int = 1000) -> list[list[str]]:
    """Let slots end, a letter of ATTEMPTS each; return what was told of each."""
    return [
        [
            word.removeprefix("ProbeFailing ")
            for outcome, attempt in ATTEMPTS[verdict]
            for word in told(engine.probe_ended(result(outcome, slot=slot, attempt=attempt), NOON))
        ]
        for slot, verdict in enumerate(verdicts, first)
    ]
