"""Exit codes of SIPp and what they mean.

Sources: `sipp -h`, include/defines.h of 3.6 and 3.7, and runs of 3.6.1. The negative codes of those are
seen as 253 to 255.
"""

import signal
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from synthetic.sipp.run import Ending


@dataclass(frozen=True, slots=True)
class Exit:
    """How it ended, and a sentence for a person."""

    ending: Ending
    meaning: str


_UNASKED: Final[Mapping[int, Exit]] = {
    0: Exit(Ending.PASSED, "every call passed"),
    1: Exit(Ending.CALL_FAILED, "at least one call failed"),
    97: Exit(Ending.STOPPED, "SIPp ended by a command, or by its own time limit without a call that passed"),
    98: Exit(Ending.MEDIA_FAILED, "SIPp's RTP check found wrong media"),
    99: Exit(Ending.NO_CALL, "SIPp ended without having processed a call"),
    126: Exit(Ending.FATAL, "the SIPp program may not be executed"),  # 126, 127: of setpriv
    127: Exit(Ending.FATAL, "the SIPp program could not be started"),
    253: Exit(Ending.MEDIA_FAILED, "SIPp's RTP check found wrong media"),
    254: Exit(Ending.FATAL, "SIPp could not bind its socket: the address or the port is taken"),
    255: Exit(Ending.FATAL, "SIPp gave up with a fatal error"),
}
_BEFORE_TRAFFIC: Final[Mapping[int, Exit]] = {
    # Measured: before its scenario is loaded SIPp exits with 1 whatever is wrong (sipp_exit in src/sipp.cpp).
    1: Exit(Ending.FATAL, "SIPp could not begin: it does not understand its scenario or its options"),
}
_STOPPED: Final = Exit(Ending.STOPPED, "SIPp was stopped by us")
_OBEYED: Final = frozenset({0, 1, 97, 99, -signal.SIGUSR1, -signal.SIGTERM})
"""How it ends when we stop it; by the signal itself while it has not installed its handlers yet."""
_SIGNALS: Final[Mapping[int, str]] = {
    signal.SIGKILL: "an operator, or the kernel for want of memory",
    signal.SIGXFSZ: "one of its files reached the limit",
    signal.SIGSEGV: "it crashed",
    signal.SIGABRT: "it crashed",
    signal.SIGBUS: "it crashed",
}


def classify(code: int, *, began: bool, asked: bool = False, forced: bool = False) -> Exit:
    """Say what an exit code means; negative codes are signals.

    `began` is whether SIPp got as far as its first line of statistics, `asked` whether we had told it to
    end, `forced` whether we then had to kill it.
    """
    if forced:
        return Exit(Ending.HUNG, "SIPp did not end when it was told to, and was killed")
    if asked and code in _OBEYED:
        return _STOPPED
    if code < 0:
        return Exit(Ending.KILLED, f"SIPp was ended by {_signal(-code)}")
    known = _UNASKED if began else {**_UNASKED, **_BEFORE_TRAFFIC}
    return known.get(code) or Exit(
        Ending.UNKNOWN, f"SIPp exited with {code}, a code that it does not document"
    )


def _signal(number: int) -> str:
    try:
        name = signal.Signals(number).name
    except ValueError:  # a real-time signal
        name = f"signal {number}"
    why = _SIGNALS.get(number)
    return f"{name} ({why})" if why else name
