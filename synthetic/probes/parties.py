"""Which endpoints of ours take part in a flow, and what they are called; the same on every engine."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from dialtone.model import AnsweredBy, CalledFrom, Flow, Plan


@dataclass(frozen=True, slots=True)
class Party:
    """One endpoint: whether it is a phone of the tenant, and whether the plan's `caller_target` is its."""

    name: str
    account: bool = True
    calls: bool = False


_PARTIES: Final[Mapping[Flow, tuple[Party, ...]]] = {
    Flow.OPTIONS: (Party("pinger", account=False),),
    Flow.REGISTER: (Party("phone"),),
    Flow.PRESENCE: (Party("watcher"), Party("presentity")),
    Flow.BLIND_TRANSFER: (Party("transferor"), Party("transferee", calls=True), Party("target")),
    Flow.ATTENDED_TRANSFER: (Party("transferor"), Party("transferee", calls=True), Party("target")),
    Flow.HTTP: (),
}


def parties(flow: Flow, plan: Plan) -> tuple[Party, ...]:
    """Return a flow's parties; the accounts of a request are theirs, in this order."""
    if flow is not Flow.CALL:
        return _PARTIES[flow]
    phone = plan.called_from is CalledFrom.PHONE
    caller = Party("caller" if phone else "trunk", account=phone, calls=True)
    return (caller, Party("callee")) if plan.answered_by is AnsweredBy.CALLEE else (caller,)
