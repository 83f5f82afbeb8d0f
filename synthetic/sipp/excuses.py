"""What excuses the platform: a machine or a loop of ours that had no time, datagrams that were lost here.

Nothing of it excuses a refusal: no delay of ours makes a platform answer 404.
"""

from typing import Final

from dialtone.model import Failure, FailureCode, Outcome
from synthetic.sipp.lateness import LATE

_UNREACHED: Final = frozenset({408, 480, 487, 504})
"""What a platform answers where a phone did not: it may be one of ours, whose SIPp could not run."""


def overloaded(
    failure: Failure | None, status: int | None, lost: int, late: float, *, tolerated: float = LATE
) -> Failure | None:
    """Return the failure that it is where SIPp lost datagrams here, or could not run: none of the platform's.

    `status` is the SIP status that decided, where one did. `late` spoils what passed too: its timings are
    not the platform's.
    """
    if failure is not None and failure.code.outcome is not Outcome.FAIL:
        return failure
    if failure is not None and _refused(status) and status not in _UNREACHED:
        return failure
    without = "" if failure is None else f"; without that: {failure.code}: {failure.detail}"
    if late > tolerated:
        return Failure(FailureCode.OVERLOADED, f"SIPp could not run for {late * 1000:.0f} ms{without}")
    if failure is None or lost <= 0:
        return failure
    return Failure(FailureCode.OVERLOADED, f"{lost_here(lost)}{without}")


def excused(failure: Failure | None, status: int | None, held: float, *, tolerated: float) -> Failure | None:
    """Return the failure that it is where other work held our own loop for `held` seconds at a time.

    The loop only starts, cues and ends the runs: what passed, passed, and its timings are SIPp's own; what
    was refused by `status`, was refused.
    """
    if failure is None or failure.code.outcome is not Outcome.FAIL or _refused(status) or held <= tolerated:
        return failure
    what = f"our own loop was held for {held * 1000:.0f} ms"
    return Failure(FailureCode.OVERLOADED, f"{what}; without that: {failure.code}: {failure.detail}")


def lost_here(lost: int) -> str:
    """Say how many datagrams a probe's own sockets had no room for."""
    return f"{lost} datagrams to SIPp were lost in its full receive buffer"


def _refused(status: int | None) -> bool:
    return status is not None and status >= 300
