"""dialtone alerts: what is wrong now, who has not been told yet, and whether receivers can be told at all."""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Final

import anyio
import click
from rich.console import Console
from rich.text import Text

from dialtone.cli.exits import Exit
from dialtone.cli.options import config_argument
from dialtone.config import Receiver, Settings, load
from dialtone.model import AlertEvent, AlertState, MessageState, OutboxEntry
from dialtone.wiring import commands

_GIVEN_UP: Final = frozenset({MessageState.REFUSED, MessageState.DROPPED})
_ORDER: Final = (AlertState.FIRING, AlertState.UNKNOWN, AlertState.PENDING, AlertState.RESOLVED)
_SHOWN: Final = 20
"""How many given-up messages the text names; JSON has all."""
_UNITS: Final = (("d", 86400), ("h", 3600), ("m", 60), ("s", 1))


@click.group()
def alerts() -> None:
    """Show alerts; see whether receivers can be told."""


@alerts.command("list")
@config_argument
@click.option("--all", "everything", is_flag=True, help="Also those that have ended.")
@click.option("--format", "shape", type=click.Choice(["text", "json"]), default="text", show_default=True)
def list_(config: Path, everything: bool, shape: str) -> int:
    """Show the alerts of CONFIG, firing before pending, newest first, and the messages that wait.

    Reads the data folder, whether the service runs or not. Exit 0, alerts or none; 7 where the data
    folder can't be used.
    """
    settings = load(config)
    kept = anyio.run(commands.alerts_listed, settings)
    events, entries = kept or ((), ())
    shown = sorted(filter(_everything if everything else _live, events), key=lambda e: _ORDER.index(e.state))
    if shape == "json":
        click.echo(json.dumps(_as_json(settings, shown, entries, began=kept is not None), indent=2))
    elif kept is None:
        click.echo(f"no data yet: {settings.data} holds no store; `dialtone serve` makes it")
    else:
        _print(settings, shown, entries, datetime.now(UTC))
    return Exit.OK


def _live(event: AlertEvent) -> bool:
    return event.state is not AlertState.RESOLVED


def _everything(event: AlertEvent) -> bool:
    """Whether it is, or was, an alert: what pended and ended without firing never was one."""
    return _live(event) or event.started is not None


@alerts.command("test")
@config_argument
@click.option("--receiver", "names", multiple=True, metavar="NAME", help="Only this one; may be repeated.")
def test(config: Path, names: tuple[str, ...]) -> int:
    """Send a test message to the alert receivers of CONFIG, now, and say what came of it.

    Exit 0 when each took it, 2 when one did not. Each is tried once; nothing is kept.
    """
    settings = load(config)
    receivers = _chosen(settings, names)
    tests = anyio.run(commands.alerts_tested, settings, receivers)
    console = Console(highlight=False)
    for receiver, (seconds, problem) in zip(receivers, tests, strict=True):
        _put(console, f"{receiver.name}: {problem or f'taken in {seconds * 1000:.0f} ms'}")
    return Exit.FAILED if any(problem for _, problem in tests) else Exit.OK


def _chosen(settings: Settings, names: Iterable[str]) -> list[Receiver]:
    known = {receiver.name: receiver for receiver in settings.receivers}
    if not known:
        raise click.UsageError(f"{settings.source} has no receivers; add one under alerts: receivers:")
    for name in names:
        if name not in known:
            raise click.BadParameter(
                f"no receiver is called {name!r}; {settings.source} has {', '.join(known)}",
                param_hint="--receiver",
            )
    return [known[name] for name in dict.fromkeys(names)] or list(known.values())


def _waiting(settings: Settings, entries: Iterable[OutboxEntry]) -> dict[str, list[OutboxEntry]]:
    """Return what waits by receiver: the configured ones, then those that were taken out of the file."""
    found: dict[str, list[OutboxEntry]] = {receiver.name: [] for receiver in settings.receivers}
    for entry in entries:
        if entry.state is MessageState.WAITING:
            found.setdefault(entry.message.receiver, []).append(entry)
    return found


def _as_json(
    settings: Settings, events: Iterable[AlertEvent], entries: Sequence[OutboxEntry], *, began: bool
) -> dict[str, object]:
    configured = {receiver.name for receiver in settings.receivers}
    return {
        "data": began,
        "alerts": [_event_json(event) for event in events],
        "receivers": [
            {
                "receiver": name,
                "configured": name in configured,
                "waiting": len(waiting),
                "oldest": waiting[0].message.created.isoformat() if waiting else None,
                "tries": waiting[0].tries if waiting else 0,
                "detail": waiting[0].detail if waiting else "",
            }
            for name, waiting in _waiting(settings, entries).items()
        ],
        "given_up": [
            {
                "key": entry.message.key,
                "receiver": entry.message.receiver,
                "state": entry.state,
                "created": entry.message.created.isoformat(),
                "settled": entry.settled.isoformat() if entry.settled else None,
                "tries": entry.tries,
                "detail": entry.detail,
                "alerts": [_event_json(event) for event in entry.message.events],
            }
            for entry in entries
            if entry.state in _GIVEN_UP
        ],
    }


def _event_json(event: AlertEvent) -> dict[str, object]:
    return {
        name: value.isoformat() if isinstance(value, datetime) else value
        for name, value in asdict(event).items()
    }


def _print(
    settings: Settings, events: Sequence[AlertEvent], entries: Sequence[OutboxEntry], now: datetime
) -> None:
    console = Console(highlight=False)
    if not events:
        _put(console, "no alert")
    for event in events:
        _put(console, f"{event.state.upper()} {event.severity} {event.rule}", bold=True)
        _put(console, f"{_instant(event.since)}, {_age(now - event.since)} ago", indent=2)
        for name, value in event.about.items():
            _put(console, f"{name} {value}", indent=2)
        if event.cause:
            _put(console, event.cause, indent=2)
    console.print()
    for line in _messages(settings, entries, now):
        _put(console, line)
    _print_given_up(console, [entry for entry in entries if entry.state in _GIVEN_UP])


def _messages(settings: Settings, entries: Iterable[OutboxEntry], now: datetime) -> Iterator[str]:
    configured = {receiver.name for receiver in settings.receivers}
    for name, waiting in _waiting(settings, entries).items():
        who = name if name in configured else f"{name} (no longer configured)"
        if not waiting:
            yield f"{who}: no message waits"
            continue
        first = waiting[0]  # it holds back the others, so its tries are the receiver's
        count = f"{len(waiting)} message{'s wait' if len(waiting) > 1 else ' waits'}"
        line = f"{who}: {count}, the oldest for {_age(now - first.message.created)}"
        if first.tries:
            line += f", tried {first.tries} time{'s'[: first.tries != 1]}"
        yield line + (f": {first.detail}" if first.detail else "")


def _print_given_up(console: Console, entries: Sequence[OutboxEntry]) -> None:
    if not entries:
        return
    _put(console, f"given up: {len(entries)} message{'s'[: len(entries) != 1]}", bold=True)
    for entry in reversed(entries[-_SHOWN:]):
        why = f": {entry.detail}" if entry.detail else ""
        when = entry.settled or entry.message.created
        _put(console, f"{entry.message.receiver} {entry.state}, {_instant(when)}{why}", indent=2)
        for event in entry.message.events:
            about = ", ".join(f"{name} {value}" for name, value in event.about.items())
            _put(console, f"{event.rule} {event.state}, {about}", indent=4)
    if len(entries) > _SHOWN:
        _put(console, f"and {len(entries) - _SHOWN} earlier ones (--format json has all)", indent=2)


def _put(console: Console, text: str, *, indent: int = 0, bold: bool = False) -> None:
    """Print a paragraph within the terminal's width; what has no blank to break at is cut all the same."""
    line = Text(_plain(text), style="bold" if bold else "", overflow="fold")
    for part in line.wrap(console, max(console.width - indent, 20)):
        part.rstrip()
        console.print(Text(" " * indent).append_text(part), soft_wrap=True)


def _plain(text: str) -> str:
    """Return words that may have come from a server as what can't drive the reader's terminal."""
    return "".join(c if c.isprintable() else "?" for c in text)


def _instant(at: datetime) -> str:
    return at.strftime("%Y-%m-%d %H:%M:%S UTC")


def _age(span: timedelta) -> str:
    """Return a span as "2d 3h", "5m" or "8s"; a clock that was set back makes it "0s"."""
    left = max(0, int(span.total_seconds()))
    for (unit, seconds), (lower, finer) in pairwise(_UNITS):
        if left >= seconds:
            count, rest = divmod(left, seconds)
            return f"{count}{unit}" + (f" {rest // finer}{lower}" if rest >= finer else "")
    return f"{left}s"
