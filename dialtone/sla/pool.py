"""What many accounts add up to: those of a reseller's clients, of the platform, of a service."""

from collections.abc import Iterable
from dataclasses import dataclass

from dialtone.sla.figures import Account, Figures, Standing


@dataclass(frozen=True, slots=True)
class Pool:
    """Accounts added up: seconds of all of them, and how many keep their target.

    `met` are those that met it or keep it so far, `below` those that don't so far, and still can.
    `worst` is the account with the lowest availability, the first of equals; None where nothing was measured.
    """

    raw: Figures
    corrected: Figures
    met: int
    missed: int
    below: int
    unmeasured: int
    worst: Account | None

    @property
    def accounts(self) -> int:
        """How many they are."""
        return self.met + self.missed + self.below + self.unmeasured


def pooled(accounts: Iterable[Account]) -> Pool:
    """Add up accounts. One second of one service weighs what one of any other does."""
    every = list(accounts)
    judged = [one.standing for one in every]
    measured = [one for one in every if one.corrected.availability is not None]
    return Pool(
        raw=sum((one.raw for one in every), Figures()),
        corrected=sum((one.corrected for one in every), Figures()),
        met=judged.count(Standing.MET) + judged.count(Standing.KEPT),
        missed=judged.count(Standing.MISSED),
        below=judged.count(Standing.BELOW),
        unmeasured=judged.count(Standing.UNMEASURED),
        worst=min(measured, key=lambda one: one.corrected.availability or 0, default=None),
    )
