"""The last slots of a probe's series: how many were bad, and what that says (pure)."""

from typing import Final

from alerts.rules import Observation, Verdict, probe_subject
from dialtone.model import Outcome, ProbeResult, one_line


def goodness(result: ProbeResult) -> bool | None:
    """Return whether a result makes its slot good (True) or bad (False); None where it decides nothing.

    A failed first attempt decides nothing: its confirmation does, which makes the slot bad, or good where
    it passes (it flapped). Inconclusive is unknown.
    """
    if result.outcome is Outcome.PASS:
        return True
    return False if result.outcome is Outcome.FAIL and result.attempt == 2 else None


class SlotWindow:
    """The last `of` slot numbers of one (tenant, flow, probe, location); `failing` bad ones are an alert.

    It goes by numbers, so that a slot without a result takes its room too. What decided a slot first
    stands: after a restart a slot may be tried once more. At most `of` slots are kept, whatever comes.
    """

    def __init__(self, failing: int, of: int) -> None:
        self._failing: Final = failing
        self._of: Final = of
        self._good: dict[int, bool] = {}
        self._newest: int | None = None
        self._behind = False
        self._cause = ""

    def __len__(self) -> int:
        """How many slots are kept: those of the window that are decided."""
        return len(self._good)

    def take(self, result: ProbeResult) -> Observation | None:
        """Add a scheduled probe's result; None where it decides no slot of the window."""
        good = goodness(result)
        if not self._reach(result.slot) or good is None or result.slot in self._good:
            return None
        self._good[result.slot] = good
        if result.failure is not None:
            self._cause = one_line(result.failure.said)
        bad = sum(not good for good in self._good.values())
        return Observation(probe_subject(result), self._verdict(good, bad), float(bad), self._cause)

    def _reach(self, slot: int) -> bool:
        """Move the window's end to a newer slot; return whether the slot is in the window.

        A slot before the window is a late result. A second in a row means that slots are numbered
        anew, because the clock was set back or the interval changed; the window begins there then.
        """
        newest = slot if self._newest is None else self._newest
        before = slot <= newest - self._of
        if before and not self._behind:
            self._behind = True
            return False
        self._behind = False
        self._newest = newest = slot if before else max(slot, newest)
        self._good = {s: good for s, good in self._good.items() if newest - self._of < s <= newest}
        return True

    def _verdict(self, good: bool, bad: int) -> Verdict:
        if bad >= self._failing:
            return Verdict.BAD
        if not good:
            return Verdict.SUSPECT
        return Verdict.EASING if bad else Verdict.FINE
