"""options: a server or a trunk is asked whether it is there (OPTIONS, RFC 3261 11).

Measures options_delay: OPTIONS out to its final response in. Passes on a final status of the plan's
`statuses`, on any 2xx where that is empty. A server that asks for credentials (401, 407) or knows no such
address (404) is up: name these statuses where they are right. Fails with `sip-Nxx` for another status,
`unexpected-message` for a 2xx that isn't wanted, `timeout` without an answer.
"""

from synthetic.probes.base import FlowError, Run
from synthetic.probes.refusals import code_of


async def options(run: Run) -> None:
    """Run the flow with one phone, which has no account."""
    (pinger,) = run.phones
    with run.step(f"{pinger.party} OPTIONS"):
        done = await pinger.options()
        right = run.plan.statuses or range(200, 300)
        if done.status not in right:
            wanted = ", ".join(map(str, run.plan.statuses)) or "a 2xx"
            raise FlowError(code_of(done.status), f"{done.status}, where {wanted} is right", done.status)
    run.status = done.status
    run.timings["options_delay"] = done.received - done.sent
    run.mark("answered", done.received)
