"""What a tenant gets back, by the table of its contract."""

from dialtone.model import Credit
from dialtone.sla.figures import Account


def credit_of(account: Account) -> Credit | None:
    """Return the credit that an account is due: that of the lowest bound it is under.

    By the corrected availability. None where it is under no bound, where the contract has no table, and
    where nothing was measured: nobody can say what happened, and a table has no row for that.
    """
    kept = account.corrected.availability
    if kept is None:
        return None
    return min(
        (credit for credit in account.objective.credits if kept < credit.below),
        key=lambda credit: credit.below,
        default=None,
    )
