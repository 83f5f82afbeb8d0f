"""register: a phone of the tenant registers, with digest authentication, is bound, and leaves again.

The registrar is asked what the address is bound to until our own contact is in its answer, and is told to
take that back. Other phones of the same address are left alone.

Measures RRD (RFC 6076 4.1): first REGISTER out to its 200 in, the authentication round trip included; and
binding_delay: that 200 in, to the answer in that shows the binding. Counts the REGISTER, as failed too where
it is (4.2).

Fails with `auth` for a refused password, `timeout` without an answer, `sip-Nxx` for another final response,
`no-binding` where the registrar said 200 and doesn't show our contact for two seconds. A registrar that
refuses to be asked, or to take the binding back, fails in that step.
"""

from typing import Final

from dialtone.model import FailureCode
from synthetic.probes.attempts import register as bind
from synthetic.probes.base import Bindings, Exchange, FlowError, Phone, Run

SEEN: Final = 2.0
"""How long after the 200 a binding may take to be seen, in seconds."""
_FIRST_PAUSE: Final = 0.05
_LONGEST_PAUSE: Final = 0.5
"""Pauses between two questions, in seconds: they double from the first to the longest."""


async def register(run: Run) -> None:
    """Run the flow with one phone."""
    (phone,) = run.phones
    registered = await bind(run, phone)
    run.status = registered.status
    run.timings["rrd"] = registered.received - registered.sent
    run.mark("registered", registered.received)
    with run.step(f"{phone.party} bindings"):
        seen = await _bound(run, phone, registered)
    run.timings["binding_delay"] = seen.received - registered.received
    run.mark("binding seen", seen.received)
    with run.step(f"{phone.party} unregister"):
        left = await phone.unregister()
    run.mark("unregistered", left.received)


async def _bound(run: Run, phone: Phone, registered: Exchange) -> Bindings:
    pause = _FIRST_PAUSE
    while True:
        shown = await phone.bindings()
        if shown.ours:
            return shown
        if run.clock.monotonic() + pause > registered.received + SEEN:
            raise FlowError(
                FailureCode.NO_BINDING,
                f"registered, but {SEEN:g} s later not among the registrar's contacts, of which it shows"
                f" {shown.count}",
            )
        await run.clock.sleep(pause)
        pause = min(2 * pause, _LONGEST_PAUSE)
