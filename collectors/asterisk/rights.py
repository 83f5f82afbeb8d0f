"""What the login may ask of an Asterisk, and what it would take to read the rest; pure.

Source: ListCommands, which needs no right, lists only what the login's `write` allows and what a loaded
module offers. Measured on Asterisk 16.28 and 22.10. What its `read` allows can't be asked for.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from collectors.asterisk.manager import EVENT_CLASSES
from dialtone.model import CollectError, CollectFailure

Commands = Mapping[str, frozenset[str]]
"""Each action that the login may send: any one of these rights is enough for it, where there are some."""

NEEDED: Final = ("CoreSettings", "CoreStatus", "CoreShowChannels")
"""Without these nothing is known of a server."""

MAX_COMMANDS: Final = 2_000
"""Actions that are kept; 22.10 with all its modules has some 190."""

_PRIVILEGES: Final = re.compile(r"\(Priv: ([a-z,<>]{1,200})\) *")
_NAME: Final = re.compile(r"[A-Za-z0-9]{1,64}")
_ALL: Final = "all"


@dataclass(frozen=True, slots=True)
class Wish:
    """What a list takes: an action, one of the manager's rights ("" for none), a module ("" for the core).

    `what` isn't known without it. `warning` is what else that right allows, where the guide advises against
    it.
    """

    part: str
    what: str
    action: str
    right: str
    module: str
    warning: str = ""


WISHES: Final = (
    Wish("queues", "queues", "QueueStatus", "", "app_queue"),
    Wish("conferences", "conferences", "ConfbridgeListRooms", "reporting", "app_confbridge"),
    Wish("parked-calls", "parked calls", "BridgeList", "", ""),
    Wish(
        "parked-times",
        "times of parked calls",
        "ParkedCalls",
        "call",
        "res_parking",
        "hang up, redirect and change calls",
    ),
    Wish("voicemail", "mailboxes", "VoicemailUsersList", "reporting", "app_voicemail"),
    Wish("endpoints", "phones' states", "DeviceStateList", "reporting", "res_manager_devicestate"),
    Wish(
        "contacts",
        "PJSIP contacts and their round trip times",
        "PJSIPShowContacts",
        "system",
        "res_pjsip",
        "reload, restart and stop Asterisk",
    ),
    Wish(
        "task-processors",
        "task processors",
        "Command",
        "command",
        "",
        "every command of the console",
    ),
)


def parse_commands(lines: Sequence[tuple[str, str]]) -> Commands:
    """Return what the lines of ListCommands' answer say; lines that name no action are left out."""
    commands: dict[str, frozenset[str]] = {}
    for name, text in lines:
        start = text.rfind("(Priv: ")
        match = _PRIVILEGES.fullmatch(text, start) if start >= 0 else None
        if match and _NAME.fullmatch(name) and len(commands) < MAX_COMMANDS:
            commands[name] = frozenset(match[1].split(",")) - {"<none>", _ALL}
    return commands


def require(commands: Commands) -> None:
    """Raise CollectError (denied) where the login may not even list channels."""
    if lacking := [action for action in NEEDED if action not in commands]:
        raise CollectError(
            CollectFailure.DENIED,
            f"{', '.join(lacking)}: this user needs write = reporting in manager.conf "
            f"(and read = {EVENT_CLASSES} for events)",
        )


def missing(commands: Commands) -> dict[str, str]:
    """Return what isn't read, by the part's name, and in words the harmless right or module that it lacks."""
    held = tuple(_held(commands))
    return {wish.part: _lack(wish, held) for wish in _unread(commands) if not _is_advised_against(wish, held)}


def optional(commands: Commands) -> dict[str, str]:
    """Return what isn't read for want of a right that the guide advises against, by the part's name."""
    held = tuple(_held(commands))
    return {
        wish.part: f"{wish.what}: not read without {_line(wish, held)}, which also allows: {wish.warning}"
        for wish in _unread(commands)
        if _is_advised_against(wish, held)
    }


def _unread(commands: Commands) -> Iterator[Wish]:
    return (wish for wish in WISHES if wish.action not in commands)


def _is_advised_against(wish: Wish, held: Sequence[str]) -> bool:
    return bool(wish.warning) and wish.right not in held


def _lack(wish: Wish, held: Sequence[str]) -> str:
    if wish.right and wish.right not in held:
        return f"no {wish.what}: set {_line(wish, held)}"
    words = f"no {wish.what}: Asterisk has no {wish.action}"
    return f"{words}, load {wish.module}" if wish.module else words


def _line(wish: Wish, held: Sequence[str]) -> str:
    line = f"write = {','.join((*held, wish.right))} in manager.conf"
    return f"{line} (and {wish.module})" if wish.module else line


def _held(commands: Commands) -> Iterator[str]:
    """Yield the rights that the login has, as far as that can be told.

    An action for which one of two rights is enough proves neither. `reporting` is what CoreStatus works by,
    unless that may be `system`.
    """
    alone = {next(iter(rights)) for rights in commands.values() if len(rights) == 1}
    if "reporting" in alone or ("system" not in alone and "CoreStatus" in commands):
        yield "reporting"
    yield from sorted(alone - {"reporting"})
