"""One run of the program: what is asked of it, and what came of it."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Literal

from synthetic.address import Address


@dataclass(frozen=True, slots=True)
class Invocation:
    """What SIPp is to do. Nothing in it is secret: all of it shows in `ps`.

    `scenario` is the scenario's path; `remote` the next hop, None for a scenario that waits for calls;
    `local` our own address and port; `calls` how many calls to place or take (None: until stopped);
    `keys` fill the scenario's `[name]` keywords (-key); `inject` is the injection file's name in the folder
    of the run, None without one; `answer_within` how long one expected message may take, in seconds.
    `rate` is calls per second (the first call starts after 1/rate; None: SIPp's own, 10); `media_port` the
    first RTP port (None: SIPp binds the first free pair that it finds); `lifetime` seconds after which SIPp
    ends itself, for the case that nobody is left to stop it: more than whoever supervises will wait.
    `call_ids` is in every Call-ID of its calls: SIPp's own have the process id and the address alone, which
    come again (RFC 3261 8.1.1.4), in containers after each restart.
    `digest_uri` is what a digest answer calls the request's URI, without its `sip:` (None: the next hop).
    """

    scenario: Path
    local: Address
    remote: Address | None = None
    calls: int | None = 1
    keys: Mapping[str, str] = field(default_factory=dict)
    inject: str | None = None
    answer_within: float = 10.0
    rate: float | None = None
    media_port: int | None = None
    lifetime: float = 3600.0
    digest_uri: str | None = None
    call_ids: str = field(default_factory=lambda: secrets.token_hex(8))


class Ending(StrEnum):
    """How the program ended, as far as its exit code and our supervision tell (facts: exit codes)."""

    PASSED = "passed"  # 0: every call passed
    CALL_FAILED = "call-failed"  # 1 once traffic had begun: at least one call failed
    STOPPED = "stopped"  # by us, and it obeyed (97, or 0, 1 or 99 after a stop)
    NO_CALL = "no-call"  # 99 unasked: no call was processed
    MEDIA_FAILED = "media-failed"  # 98, 253: its RTP check failed
    FATAL = (
        "fatal"  # 254, 255: no socket, a broken file; 1 before any traffic: a scenario that does not parse
    )
    KILLED = "killed"  # by a signal that we did not send
    HUNG = "hung"  # it ignored our stop, and was killed
    UNKNOWN = "unknown"  # any other exit code


@dataclass(frozen=True, slots=True)
class Statistics:
    """The last line of the statistics file, cumulative columns by their header names.

    `failed` counts by class (`FailedUnexpectedMessage`, `FailedMaxUDPRetrans`, `FailedTimeoutOnRecv` ...),
    those that are not zero. `started` is when SIPp began, in UTC seconds, None where the file does not say.
    """

    created: int
    successful: int
    failed_calls: int
    failed: Mapping[str, int] = field(default_factory=dict)
    retransmissions: int = 0
    started: float | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """What the counts file says of one step of the scenario.

    `number` counts the scenario's elements from 0, `name` is the method, the status code or `Pause`;
    `happened` how often it was sent, received or begun.
    """

    number: int
    name: str
    happened: int = 0
    retransmissions: int = 0
    timeouts: int = 0
    unexpected: int = 0


@dataclass(frozen=True, slots=True)
class RoundTrip:
    """One line of the response time file: a timer of the scenario and its seconds; `at` is UTC seconds."""

    name: str
    seconds: float
    at: float


@dataclass(frozen=True, slots=True)
class Traced:
    """A message that SIPp sent or received, as its message file has it; `at` is wall clock, UTC seconds.

    SIPp stamps what it sends after the system call and what it receives when it reads it: measured on
    loopback with 3.6.1, 99 % of differences between two stamps are within 0.11 ms of the packets' at
    20 calls/s, within 0.4 ms at 200.
    """

    at: float
    direction: Literal["sent", "received"]
    text: str


@dataclass(frozen=True, slots=True)
class Finished:
    """What is left of a run.

    `meaning` is the ending in words, `log` are the lines that the scenario wrote by its log actions, `errors`
    the first lines of the error file and the last of stderr (for people), `resolution` how fine the round
    trips are, in seconds (mostly 4 ms). What is None or empty was not written. `code` is the exit code,
    negative for a signal. `truncated`: its files reached the bound that we set to them, and SIPp stopped
    writing; statistics are None then, for what is there is older than the end.
    """

    ending: Ending
    code: int
    statistics: Statistics | None = None
    round_trips: tuple[RoundTrip, ...] = ()
    messages: tuple[Traced, ...] = ()
    dropped_messages: int = 0
    log: tuple[str, ...] = ()
    errors: tuple[str, ...] = ()
    resolution: float = 0.004
    steps: tuple[Step, ...] = ()
    meaning: str = ""
    truncated: bool = False
