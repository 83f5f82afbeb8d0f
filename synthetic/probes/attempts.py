"""What the flows send alike, each counted for the ratios of RFC 6076: REGISTER and INVITE.

A REGISTER that asks for bindings or takes one back is no attempt to register, and isn't counted.
"""

from typing import Final

import anyio

from dialtone.model import FailureCode
from synthetic.probes.base import Exchange, FlowError, OutgoingCall, Phone, Run

_UNANSWERED: Final = frozenset({FailureCode.TIMEOUT, FailureCode.CONNECT, FailureCode.TLS, FailureCode.DNS})
"""Failures without a final response: a 408 or a 503 that nobody sent (RFC 3261 8.1.3.1)."""
_NO_FAILURE: Final = frozenset({401, 402, 407})
"""Statuses that leave a REGISTER out of IRA (RFC 6076 4.2)."""
_CLASSES: Final = (
    ("invite_200", range(200, 300)),
    ("invite_3xx", range(300, 400)),
    ("invite_end_user", (480, 486, 600, 603)),
    ("invite_ineffective", (408, 500, 503, 504)),
)
"""What final responses to INVITE count as (RFC 6076 4.6 to 4.8)."""


async def register(run: Run, phone: Phone) -> Exchange:
    """Bind a phone. Raises FlowError, with the step."""
    run.counts["register"] += 1
    with run.step(f"{phone.party} REGISTER"):
        try:
            return await phone.register()
        except FlowError as error:
            run.counts["register_failed"] += _failed_to_register(error)
            raise
        except anyio.get_cancelled_exc_class():
            run.counts["register_failed"] += 1  # only the probe's deadline gets here: no answer in time
            raise


async def place(run: Run, phone: Phone, number: str, through: str = "") -> OutgoingCall:
    """Call a number; return once it is answered. Raises FlowError, with the step.

    `through` is where the phone sends its requests, where that is not the probe's target. One that is given
    up for another phone's failure is no failure of its own; see the runner for one that met the deadline.
    """
    run.counts["invite"] += 1
    run.callers.append(phone)
    with run.step(f"{phone.party} INVITE{f' through {through}' if through else ''}"):
        try:
            outgoing = await phone.invite(number)
        except FlowError as error:
            run.counts.update(_class_of(error, phone))
            raise
        except anyio.get_cancelled_exc_class():
            run.unanswered += not phone.progressed
            raise
    run.counts["invite_200"] += 1
    return outgoing


def dialled(run: Run, phone: Phone) -> str:
    """Return how the plan dials a phone of ours."""
    return run.plan.dial.replace("{user}", phone.user)


def consulted(run: Run, phone: Phone) -> str:
    """Return how the plan dials a phone of ours for a consultation."""
    return (run.plan.consult or run.plan.dial).replace("{user}", phone.user)


def _failed_to_register(error: FlowError) -> bool:
    if error.status is None:
        return error.code in _UNANSWERED
    return error.status >= 400 and error.status not in _NO_FAILURE


def _class_of(error: FlowError, phone: Phone) -> tuple[str, ...]:
    """Return what an INVITE that failed counts as, if anything: one that rang for ever is of no class."""
    status = error.status
    if status is None:
        silent = error.code in _UNANSWERED and not phone.progressed
        return ("invite_ineffective",) if silent else ()
    return tuple(name for name, statuses in _CLASSES if status in statuses)
