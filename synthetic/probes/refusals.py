"""What a final response that refuses means, the same on every engine."""

from typing import Final

from dialtone.model import FailureCode
from synthetic.probes.base import FlowError

_CODES: Final = {
    3: FailureCode.SIP_3XX,
    4: FailureCode.SIP_4XX,
    5: FailureCode.SIP_5XX,
    6: FailureCode.SIP_6XX,
}
_MAX_REASON: Final = 80


def refusal(status: int, reason: str, *, authenticated: bool) -> FlowError:
    """Return the failure that a final response means: a 403 to credentials is a refused password."""
    said = "".join(c if c.isprintable() else "?" for c in reason[:_MAX_REASON])
    if status == 403 and authenticated:
        return FlowError(FailureCode.AUTH, f"403 {said}", status)
    return FlowError(code_of(status), f"{status} {said}", status)


def code_of(status: int) -> FailureCode:
    """Return the code of a final status that is not the right one, by its class."""
    return _CODES.get(status // 100, FailureCode.UNEXPECTED_MESSAGE)


def refused_again(status: int | None) -> FlowError:
    """Return the failure that another challenge to answered credentials means."""
    return FlowError(FailureCode.AUTH, f"the password was refused (another {status})", status)
