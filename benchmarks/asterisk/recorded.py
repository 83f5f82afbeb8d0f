"""Events and channels of a big platform, made of what real Asterisk servers said; pure, but for the reading.

What is made differs from its recording in whose it is and in its ids, so that no call comes twice.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache, partial
from pathlib import Path
from typing import Final

VERSIONS: Final = ("16.28.0", "22.10.1")
ACCOUNT_CODES: Final = ("acme", "bd", "globex")
"""Whose the calls of the recorded streams are."""

Fields = Mapping[str, str]
"""The headers of one message, none of which comes twice."""

_DATA: Final = Path(__file__).parents[2] / "tests" / "data" / "asterisk"
_END: Final = b"\r\n\r\n"
_ID: Final = re.compile(rb"(lab\d+-\d+)\.(\d+)\b")
_IDS_A_ROUND: Final = 1000
"""More than the ids of a recorded stream, so that those of two rounds differ."""
_LEFT: Final = {"Cause": "16", "Cause-txt": "Normal Clearing"}
_BOOT: Final = 1795390209
_LASTS: Final = 12
"""Polls that a made call lasts."""
_APART: Final = 15
"""Seconds between two polls, as a call's duration has it."""
_QUEUED, _BUSY, _NO_ANSWER = 2, 3, 4
_EID: Final = "02:fc:00:00:00:01"
_SHOWN: Final = (
    (
        "asterisk_channels_state",
        (
            "Individual channel states. 0=down; 1=reserved; 2=offhook; 3=dialing; 4=ring; 5=ringing; 6=up; "
            "7=busy; 8=dialing_offhook; 9=prering."
        ),
        6,
    ),
    ("asterisk_channels_duration_seconds", "Individual channel durations (in seconds).", 9),
)
"""What res_prometheus shows of each channel, and what it says of that."""


def reply(version: str, name: str) -> bytes | None:
    """Return what such a server answered to an action, None where that isn't among the recordings."""
    file = _DATA / version / f"{name}.reply"
    return file.read_bytes() if file.is_file() else None


@cache
def stream(version: str) -> tuple[bytes, ...]:
    """Return the recorded events of a server: all classes, in order, half a minute of some ten calls."""
    blocks = (_DATA / version / "events" / "full-event-stream.reply").read_bytes().split(_END)
    return tuple(block + _END for block in blocks[:-1] if block.startswith(b"Event: "))


def fields(block: bytes) -> dict[str, str]:
    """Return the headers of a message."""
    lines = block.decode().removesuffix("\r\n\r\n").split("\r\n")
    return dict(line.split(": ", 1) for line in lines)


def rendered(headers: Fields) -> bytes:
    """Return a message as it goes over the wire."""
    return "".join(f"{name}: {value}\r\n" for name, value in headers.items()).encode() + b"\r\n"


@cache
def template(version: str, event: str) -> Fields:
    """Return the headers of the first event of that name in the recorded stream."""
    wanted = f"Event: {event}\r\n".encode()
    return fields(next(block for block in stream(version) if block.startswith(wanted)))


@cache
def _whole(version: str) -> tuple[bytes, int]:
    """Return the recorded stream, with those hung up that its end cut off, and how many events it has."""
    events = list(stream(version))
    alive: dict[str, Fields] = {}
    for block in events:
        if block.startswith(b"Event: Newchannel\r\n"):
            headers = fields(block)
            alive[headers["Uniqueid"]] = headers
        elif block.startswith(b"Event: Hangup\r\n"):
            alive.pop(fields(block)["Uniqueid"], None)
    events += [rendered({**headers, "Event": "Hangup", **_LEFT}) for headers in alive.values()]
    return b"".join(events), len(events)


def events_of(version: str) -> int:
    """Return how many events one round has."""
    return _whole(version)[1]


def rounds(version: str, first: int, count: int) -> Iterator[bytes]:
    """Yield the recorded stream so many times, each time with new calls, all of which end in it."""
    text, _ = _whole(version)
    for number in range(first, first + count):
        more = _IDS_A_ROUND * number
        yield _ID.sub(partial(_renewed, more), text)


def _renewed(more: int, found: re.Match[bytes]) -> bytes:
    return b"%s.%d" % (found[1], int(found[2]) + more)


def call(version: str, domain: str, number: int) -> bytes:
    """Return the events of one call between two phones of a tenant, from its first to its last.

    Three of five are answered, with RTCP, one of these out of a queue; one is busy, one isn't answered.
    """
    kind, linked = number % 5, 2 * number
    caller, callee = _leg(domain, "101", linked, linked), _leg(domain, "102", linked + 1, linked)
    queue = {"Queue": domain}
    bridge = {"BridgeUniqueid": f"{number:08x}-47aa-4dd2-9627-217089ce849e"}
    down, ring, ringing, up = (
        _state("0", "Down"),
        _state("4", "Ring"),
        _state("5", "Ringing"),
        _state("6", "Up"),
    )
    told: list[tuple[str, Fields]] = [("Newchannel", caller | ring)]
    if kind == _QUEUED:
        told.append(("QueueCallerJoin", caller | queue))
    told += [("Newchannel", callee | down), ("Newstate", callee | ringing)]
    if kind == _QUEUED:
        told.append(("QueueCallerLeave", caller | queue))
    if kind in (_BUSY, _NO_ANSWER):
        cause = {"Cause": "17" if kind == _BUSY else "19"}
        told += [("Hangup", callee | ringing | cause), ("Hangup", caller | ring | cause)]
    else:
        told += [("Newstate", leg | up) for leg in (callee, caller)]
        told += [("BridgeEnter", leg | bridge) for leg in (callee, caller)]
        told += [(name, leg) for name in ("RTCPSent", "RTCPReceived") for leg in (caller, callee)]
        told += [("Hangup", leg | up) for leg in (callee, caller)]
    return b"".join(rendered({**template(version, name), **headers}) for name, headers in told)


def _state(number: str, text: str) -> dict[str, str]:
    return {"ChannelState": number, "ChannelStateDesc": text}


def _leg(domain: str, user: str, number: int, linked: int, boot: int = _BOOT) -> dict[str, str]:
    return {
        "Channel": f"PJSIP/{domain}-{user}-{number:08x}",
        "AccountCode": domain,
        "Context": domain,
        "Uniqueid": f"pbx1-{boot}.{number}",
        "Linkedid": f"pbx1-{boot}.{linked}",
    }


@cache
def _items(version: str) -> tuple[Fields, ...]:
    """Return the recorded channels that phones had, without ActionID."""
    recorded = reply(version, "CoreShowChannels") or b""
    found = [
        fields(block) for block in recorded.split(_END)[1:] if block.startswith(b"Event: CoreShowChannel\r")
    ]
    for item in found:
        del item["ActionID"]
    return tuple(item for item in found if item["Channel"].startswith("PJSIP/"))


def channels(version: str, domains: Sequence[str], count: int, poll: int) -> Iterator[Fields]:
    """Yield the channels of one poll, two a call, shared among tenants; a twelfth of the calls are new."""
    items = _items(version)
    for number in range(count):
        place = number // 2
        age, lasted = divmod(poll + place, _LASTS)
        linked = 2 * (place + age * count)
        user, domain = str(101 + number % 2), domains[place % len(domains)]
        whose = _leg(domain, user, linked + number % 2, linked, boot=_BOOT + 1)
        minutes, seconds = divmod(_APART * lasted, 60)
        duration = {"Duration": f"00:{minutes:02}:{seconds:02}"}
        yield {**items[number % len(items)], **whose, **duration}


def page(made: Iterable[Fields]) -> str:
    """Return the channels as res_prometheus shows them: two series each, and nothing besides."""
    labels = [
        f'eid="{_EID}",name="{channel["Channel"]}",id="{channel["Uniqueid"]}",'
        f'type="{channel["Channel"].partition("/")[0]}",linkedid="{channel["Linkedid"]}"'
        for channel in made
    ]
    lines = []
    for metric, text, value in _SHOWN:
        lines += [f"# HELP {metric} {text}", f"# TYPE {metric} gauge"]
        lines += [f"{metric}{{{found}}} {value}" for found in labels]
    return "\n".join([*lines, ""])
