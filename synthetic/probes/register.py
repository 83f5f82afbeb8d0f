"""register: a phone of the tenant registers, with digest authentication, and leaves again.

Measures RRD (RFC 6076 4.1): first REGISTER out to its 200 in, the authentication round trip included.
Fails with `auth` for a refused password, `timeout` without an answer, `sip-Nxx` for another final response.
Leaving is the runner's: a binding that can't be removed is a mark in the evidence, no failure.
"""

from synthetic.probes.base import Run


async def register(run: Run) -> None:
    """Run the flow with one phone."""
    (phone,) = run.phones
    with run.step(f"{phone.party} REGISTER"):
        done = await phone.register()
    run.status = done.status
    run.timings["rrd"] = done.received - done.sent
    run.mark("registered", done.received)
