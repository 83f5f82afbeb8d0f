"""AMI answers into one frozen snapshot; pure, tested on recordings of Asterisk 16.28 and 22.10."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from functools import cache
from typing import Final

from collectors.asterisk.wire import Block

STATES: Final = ("ring", "ringing", "up", "other")
"""What a channel's state is folded to: `ring` is a caller's leg that nobody answered yet, `ringing` a called
phone that rings; `other` are the passing ones (Down, Dialing, Busy ...)."""

_STATE: Final = {"4": "ring", "5": "ringing", "6": "up"}  # include/asterisk/channelstate.h

TECHNOLOGIES: Final = ("PJSIP", "SIP", "IAX2", "DAHDI", "UNIStim", "SCCP", "Skinny", "other")
"""What a channel's driver is folded to; the rest (MGCP, Console, Motif, OOH323 ...) is `other`."""

_TECHNOLOGY: Final = {name.upper(): name for name in TECHNOLOGIES[:-1]} | {"USTM": "UNIStim"}

# Halves of one Asterisk talking to itself: a call over a Local channel shows as three channels. Announcers,
# recorders, pages, console commands, and what stands for a call that could not be made are nobody's leg.
# fmt: off
_INTERNAL: Final = frozenset({
    "Local", "CBAnn", "CBRec", "Announcer", "Recorder", "Bridge", "Surrogate", "Snoop", "MulticastRTP",
    "Message", "OutgoingSpoolFailed", "CLIExec", "Calendar",
})
# fmt: on
MAX_NAME: Final = 80
"""Characters of a channel name, account code or context (AST_CHANNEL_NAME, AST_MAX_ACCOUNT_CODE,
AST_MAX_CONTEXT of include/asterisk/channel.h)."""
MAX_ID: Final = 160
"""Characters of a Uniqueid that is believed; AST_MAX_UNIQUEID is 149."""
# fmt: off
ALWAYS: Final = (
    "Channel", "ChannelState", "ChannelStateDesc", "CallerIDNum", "CallerIDName", "ConnectedLineNum",
    "ConnectedLineName", "Language", "AccountCode", "Context", "Exten", "Priority", "Uniqueid", "Linkedid",
)
# fmt: on
"""What Asterisk says of each channel, 16 to 22 (ast_manager_build_channel_state_string_prefix)."""
_OFFSET: Final = re.compile(r"([+-])([01]\d)([0-5]\d)")
_VERSION: Final = re.compile(r"\d[\w.]*")
_YEARS: Final = range(1970, 9999)
"""Of a wall clock that is believed: whatever the zone is, its instant is one."""


@dataclass(frozen=True, slots=True)
class Channel:
    """One leg of a call, as a list or an event tells of it.

    `linked_id` is the same for all legs of a call, `unique_id` its own. `technology` is one of TECHNOLOGIES.
    `internal` is one that Asterisk made for itself, which is no leg of anybody's call. Empty texts are what
    isn't known; `application`, what it was called with, and the `bridge` (its id) that the channel is in are
    told by lists alone.
    """

    unique_id: str
    linked_id: str
    name: str
    technology: str
    state: str
    internal: bool
    account_code: str = ""
    tenant_id: str = ""
    context: str = ""
    application: str = ""
    arguments: str = ""
    bridge: str = ""


@dataclass(frozen=True, slots=True)
class AsteriskSnapshot:
    """One poll. `started` is UTC, None where the server's zone isn't known; `processed` None before 22."""

    version: str
    started: datetime | None
    processed: int | None
    channels: tuple[Channel, ...]


def is_whole(block: Block, prefix: str = "") -> bool:
    """Whether a block tells of a channel with all that Asterisk says of each.

    What a caller puts into its number, or into the number that it calls, comes into AMI as it is, line breaks
    too (80 characters of each; only names are escaped, main/manager_channels.c). One of them can begin a
    message of its own, but not fill it. A header that it repeats is not in the block at all (wire.decode).
    """
    return block.keys() >= _always(prefix)


def is_event(block: Block, prefix: str = "") -> bool:
    """Whether a block is an event of a channel as Asterisk writes it: whole, and in Asterisk's order.

    A message that a caller begins in its number and ends in the number that it calls can be whole, and of
    anybody's channel: what it lacks stands between the two. But not in this order, for the first of the two
    would have to hold all that comes before it in an event, which is more than 80 characters.
    """
    headers = iter(block)
    return all(name in headers for name in _in_order(prefix))


@cache
def _always(prefix: str) -> frozenset[str]:
    return frozenset(prefix + name for name in ALWAYS)


@cache
def _in_order(prefix: str) -> tuple[str, ...]:
    return ("Event", "Privilege", *(prefix + name for name in ALWAYS))


def parse_channel(block: Block, prefix: str = "") -> Channel | None:
    """Return the channel that a list item or an event tells of; None where it isn't told of as it should be.

    `prefix` is before the headers' names where an event tells of several (Transferer, Dest ...).
    """
    if not is_whole(block, prefix):
        return None
    name = block[f"{prefix}Channel"][:MAX_NAME]
    unique_id, linked_id = block[f"{prefix}Uniqueid"], block[f"{prefix}Linkedid"]
    driver = name.partition("/")[0]
    if not driver or not 0 < len(unique_id) <= MAX_ID or not 0 < len(linked_id) <= MAX_ID:
        return None
    return Channel(
        unique_id,
        linked_id,
        name,
        _TECHNOLOGY.get(driver.upper(), "other"),
        _STATE.get(block[f"{prefix}ChannelState"], "other"),
        driver in _INTERNAL,
        block[f"{prefix}AccountCode"][:MAX_NAME],
        _tenant_id(block, prefix)[:MAX_NAME],
        block[f"{prefix}Context"][:MAX_NAME],
        block.get("Application", ""),
        block.get("ApplicationData", ""),
        block.get("BridgeId", "")[:MAX_ID],
    )


def _tenant_id(block: Block, prefix: str) -> str:
    """Return a channel's Tenantid, of 20 and later, "" where it has none.

    Asterisk writes it right behind Linkedid, where no caller can: before that it may be a caller's word.
    """
    told = block.get(f"{prefix}Tenantid", "")
    if told:
        headers = list(block)
        if headers.index(f"{prefix}Tenantid") != headers.index(f"{prefix}Linkedid") + 1:
            return ""
    return told


def parse_channels(blocks: Iterable[Block]) -> tuple[Channel, ...]:
    """Return the channels of a list's items; those that can't be read are left out."""
    return tuple(channel for block in blocks if (channel := parse_channel(block)))


def parse_version(settings: Block) -> str:
    """Return the version of CoreSettings as Asterisk's own: 22.10.1+dfsg+... is 22.10.1."""
    text = settings.get("AsteriskVersion", "")
    match = _VERSION.search(text)
    return match[0] if match else text[:40]


def parse_processed(status: Block) -> int | None:
    """Return CoreProcessedCalls, None where there is none (before Asterisk 22) or it is no number."""
    text = status.get("CoreProcessedCalls", "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 20 else None


def parse_startup(status: Block) -> datetime | None:
    """Return when Asterisk started by its wall clock: naive, because the zone isn't told."""
    return _wall_clock(status, "CoreStartup")


def parse_reload(status: Block) -> datetime | None:
    """Return when Asterisk was reloaded last by its wall clock, naive as well."""
    return _wall_clock(status, "CoreReload")


def _wall_clock(status: Block, prefix: str) -> datetime | None:
    text = f"{status.get(f'{prefix}Date', '')} {status.get(f'{prefix}Time', '')}"
    try:
        wall = datetime.strptime(text, "%Y-%m-%d %H:%M:%S")  # noqa: DTZ007 - the zone isn't told
    except ValueError:
        return None
    return wall if wall.year in _YEARS else None


def parse_offset(text: str) -> timezone | None:
    """Return the zone that strftime's %z means, None for anything else."""
    if not (match := _OFFSET.fullmatch(text)):
        return None
    distance = timedelta(hours=int(match[2]), minutes=int(match[3]))
    return timezone(-distance if match[1] == "-" else distance)
