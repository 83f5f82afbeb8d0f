"""What excuses the platform: a machine or a loop of ours that had no time, datagrams that were lost here."""

from dialtone.model import Failure, FailureCode, Outcome
from synthetic.sipp.lateness import LATE


def overloaded(failure: Failure | None, lost: int, late: float, *, tolerated: float = LATE) -> Failure | None:
    """Return the failure that it is where SIPp lost datagrams here, or could not run: none of the platform's.

    `late` spoils what passed too: its timings are not the platform's.
    """
    if failure is not None and failure.code.outcome is not Outcome.FAIL:
        return failure
    without = "" if failure is None else f"; without that: {failure.code}: {failure.detail}"
    if late > tolerated:
        return Failure(FailureCode.OVERLOADED, f"SIPp could not run for {late * 1000:.0f} ms{without}")
    if failure is None or lost <= 0:
        return failure
    return Failure(FailureCode.OVERLOADED, f"{lost_here(lost)}{without}")


def excused(failure: Failure | None, held: float, *, tolerated: float) -> Failure | None:
    """Return the failure that it is where other work held our own loop for `held` seconds of the probe.

    The loop only starts and ends the runs: what passed, passed, and its timings are SIPp's own.
    """
    if failure is None or failure.code.outcome is not Outcome.FAIL or held <= tolerated:
        return failure
    what = f"our own loop was held for {held * 1000:.0f} ms"
    return Failure(FailureCode.OVERLOADED, f"{what}; without that: {failure.code}: {failure.detail}")


def lost_here(lost: int) -> str:
    """Say how many datagrams a probe's own sockets had no room for."""
    return f"{lost} datagrams to SIPp were lost in its full receive buffer"
