"""SIPp's command line. Whoever can run `ps` can read it: nothing in it is secret."""

import math
import re
from typing import Final

from synthetic.address import bracketed, hostport
from synthetic.sipp import files
from synthetic.sipp.program import Sipp
from synthetic.sipp.run import Invocation

BUFFER: Final = 8 * 1024 * 1024
"""Bytes of socket buffer to ask for. With its own 64 KiB SIPp loses packets at 5,000 calls/s."""
MAX_LOG: Final = 1024 * 1024
"""Bytes after which SIPp stops writing its message, error and log files; it goes on with its calls."""
_MAX_KEYS: Final = 90
"""SIPp's table of -key has 100 places."""
_KEY: Final = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,63}")
_CALL_IDS: Final = re.compile(r"[A-Za-z0-9]{1,64}")
_HEADERS: Final = re.compile(r"\r\n(?=[A-Za-z0-9.!%*_+`'~-]{1,100}: )")
"""A line break that begins a header (RFC 3261 25.1)."""
_MAX_VALUE: Final = 4000
_DIGEST_URI: Final = re.compile(r"[A-Za-z0-9%_.!~*'()&=+$,;?/:@\[\]][^\s\"]{0,499}")
"""The characters that a SIP URI has; it must begin with none that an option begins with."""


def command_line(sipp: Sipp, invocation: Invocation, *, buffer: int) -> list[str]:
    """Return the program and its arguments; files are named relative to the folder of the run.

    `buffer` is how many bytes of receive buffer the kernel grants. Raises ValueError for what SIPp would
    misread.
    """
    host, port = invocation.local
    return [
        sipp.path,
        *(() if invocation.remote is None else (hostport(invocation.remote),)),
        *("-sf", files.SCENARIO),
        "-nostdin",
        "-skip_rlimit",  # it only warns, of sockets per call that we do not use
        *("-t", "u1"),
        *("-i", bracketed(host), "-p", str(port)),
        *("-ci", "127.0.0.1"),  # its remote control listens on every address otherwise
        *("-buff_size", str(min(BUFFER, buffer))),
        *_calls(invocation),
        *("-recv_timeout", str(_milliseconds("answer_within", invocation.answer_within))),
        *(
            "-timeout",
            f"{math.ceil(_milliseconds('lifetime', invocation.lifetime) / 1000)}s",
            "-timeout_error",
        ),
        "-aa",  # OPTIONS, INFO, NOTIFY, UPDATE of a call's platform (keep-alives mostly) are answered by 200
        # An aborted REGISTER would otherwise be followed by a BYE of no call; the scenarios end their own.
        *("-default_behaviors", "all,-bye"),
        *("-cid_str", f"%u-%p-{_call_ids(invocation)}@%s"),  # number of the call, process, address
        *_digest_uri(invocation),
        *_keys(invocation),
        *_injection(invocation),
        *_TRACES,
    ]


_TRACES: Final = (
    *("-trace_stat", "-stf", files.STATISTICS, "-fd", "1"),
    *("-trace_rtt", "-rtt_freq", "1"),
    *("-trace_msg", "-message_file", files.MESSAGES),
    *("-trace_err", "-error_file", files.ERRORS),
    *("-trace_logs", "-log_file", files.LOG),
    "-trace_counts",
    *("-max_log_size", str(MAX_LOG)),
)


def _calls(invocation: Invocation) -> tuple[str, ...]:
    many = () if invocation.calls is None else ("-m", str(invocation.calls))
    rate = () if invocation.rate is None else ("-r", f"{invocation.rate:g}")
    media = () if invocation.media_port is None else ("-mp", str(invocation.media_port))
    return (*many, *rate, *media)


def _keys(invocation: Invocation) -> list[str]:
    if len(invocation.keys) > _MAX_KEYS:
        raise ValueError(f"{len(invocation.keys)} keys are too many for SIPp; it takes {_MAX_KEYS}")
    words = []
    for name, value in invocation.keys.items():
        if not _KEY.fullmatch(name):
            raise ValueError(f"{name!r} is no name for a SIPp keyword: letters, digits and _ only")
        if len(value) > _MAX_VALUE or not _HEADERS.sub("", value).isprintable():
            raise ValueError(f"the value of the SIPp keyword {name} has line breaks, or is too long")
        words += ["-key", name, value]
    return words


def _call_ids(invocation: Invocation) -> str:
    if not _CALL_IDS.fullmatch(invocation.call_ids):
        raise ValueError(f"{invocation.call_ids[:80]!r} can't be part of a Call-ID: letters and digits only")
    return invocation.call_ids


def _digest_uri(invocation: Invocation) -> tuple[str, ...]:
    """Have the digest name the Request-URI (RFC 3261 22.4), which SIPp takes for the next hop otherwise."""
    uri = invocation.digest_uri
    if uri is None:
        return ()
    if not _DIGEST_URI.fullmatch(uri):
        raise ValueError(f"{uri[:80]!r} can't be the URI of a digest answer")
    return ("-auth_uri", uri)


def _injection(invocation: Invocation) -> tuple[str, ...]:
    """Inject the file, and index it by its first field, which is what a scenario looks lines up by."""
    name = invocation.inject
    if name is None:
        return ()
    if "/" in name or name.startswith("-"):
        raise ValueError(f"the injection file {name!r} is not a name in the folder of the run")
    return ("-inf", name, "-infindex", name, "0")


def _milliseconds(what: str, seconds: float) -> int:
    if not 0.001 <= seconds <= 86_400:
        raise ValueError(f"{what} is {seconds:g} s; SIPp needs something from 1 ms to a day")
    return round(seconds * 1000)
