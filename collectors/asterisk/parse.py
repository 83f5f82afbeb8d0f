"""AMI answers into one frozen snapshot; pure, tested on recordings of Asterisk 16.28 and 22.10."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Final

from collectors.asterisk.wire import Block
from dialtone.model import CollectError, CollectFailure

STATES: Final = ("ring", "ringing", "up", "other")
"""What a channel's state is folded to: `ring` is a caller's leg that nobody answered yet, `ringing` a called
phone that rings; `other` are the passing ones (Down, Dialing, Busy ...)."""

_STATE: Final = {"4": "ring", "5": "ringing", "6": "up"}  # include/asterisk/channelstate.h

# Halves of one Asterisk talking to itself. A call over a Local channel shows as three channels; the
# conference's announcer and recorder are no party of anything.
_INTERNAL: Final = frozenset({"Local", "CBAnn", "CBRec"})
_OFFSET: Final = re.compile(r"([+-])([01]\d)([0-5]\d)")
_VERSION: Final = re.compile(r"\d[\w.]*")


@dataclass(frozen=True, slots=True)
class Channel:
    """One leg of a call. `linked_id` is the same for all legs of a call, `account_code` may be empty."""

    linked_id: str
    account_code: str
    state: str


@dataclass(frozen=True, slots=True)
class AsteriskSnapshot:
    """One poll. `started` is UTC, None where the server's zone isn't known; `processed` None before 22."""

    version: str
    started: datetime | None
    processed: int | None
    channels: tuple[Channel, ...]


def parse_channels(blocks: Iterable[Block]) -> tuple[Channel, ...]:
    """Return the channels of CoreShowChannels without Asterisk's internal ones.

    Raises CollectError where an item is none: half a list would be a wrong count.
    """
    channels = []
    for block in blocks:
        try:
            technology = block["Channel"].partition("/")[0]
            state, linked_id = block["ChannelState"], block["Linkedid"]
        except KeyError as missing:
            raise CollectError(
                CollectFailure.PROTOCOL, f"CoreShowChannels: a channel has no {missing}"
            ) from None
        if technology not in _INTERNAL:
            channels.append(Channel(linked_id, block.get("AccountCode", ""), _STATE.get(state, "other")))
    return tuple(channels)


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
    text = f"{status.get('CoreStartupDate', '')} {status.get('CoreStartupTime', '')}"
    try:
        return datetime.strptime(text, "%Y-%m-%d %H:%M:%S")  # noqa: DTZ007 - see above
    except ValueError:
        return None


def parse_offset(text: str) -> timezone | None:
    """Return the zone that strftime's %z means, None for anything else."""
    if not (match := _OFFSET.fullmatch(text)):
        return None
    distance = timedelta(hours=int(match[2]), minutes=int(match[3]))
    return timezone(-distance if match[1] == "-" else distance)
