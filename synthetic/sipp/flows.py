"""The flows that there are on SIPp, and what SIPp can't be asked for."""

import re
from collections.abc import Mapping
from typing import Final

from dialtone.model import Flow, ProbeRequest
from synthetic.sipp import call, options, presence, register, transfers_record
from synthetic.sipp.trip import Journey
from synthetic.target import parse_target

JOURNEYS: Final[Mapping[Flow, Journey]] = {
    Flow.OPTIONS: options.JOURNEY,
    Flow.REGISTER: register.JOURNEY,
    Flow.CALL: call.JOURNEY,
    Flow.PRESENCE: presence.JOURNEY,
    Flow.BLIND_TRANSFER: transfers_record.JOURNEY,
    Flow.ATTENDED_TRANSFER: transfers_record.JOURNEY,
}
"""Which runs of SIPp each flow is, and what they mean."""

_TOKEN: Final = re.compile(r"[A-Za-z0-9.!%*_+`'~-]{1,100}")
SIPPY: Final = "use the engine sippy"


def journey(request: ProbeRequest) -> Journey:
    """Return what a request's flow is on SIPp.

    Raises ValueError, with words for a person, for what SIPp can't be asked for.
    """
    if request.flow not in JOURNEYS:
        raise ValueError(f"SIPp has no flow {request.flow}: it has {', '.join(JOURNEYS)}")
    plan = request.plan
    for target in filter(None, (request.target, plan.caller_target)):
        if parse_target(target).transport not in (None, "udp"):
            raise ValueError(f"{target!r}: SIPp speaks UDP alone here: {SIPPY}")
    if plan.outbound_proxy:
        raise ValueError(f"SIPp sends nothing through an outbound_proxy ({plan.outbound_proxy}): {SIPPY}")
    for name, value in plan.headers:
        if _TOKEN.fullmatch(name) is None:
            raise ValueError(f"{name!r} can't be a header: it is no name (RFC 3261 25.1, token)")
        if not value.isprintable():
            raise ValueError(f"the header {name} has a line break or another control character: take it out")
    return JOURNEYS[request.flow]
