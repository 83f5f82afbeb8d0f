"""blind-transfer: a phone of the tenant hands a call on, without asking the one that gets it.

Three phones register. The transferee calls the transferor, which answers and, after `hold` seconds, sends
REFER to the target (RFC 3515, RFC 5589 6). The target answers at once; the transferor then hangs up its own
leg, unless the platform did, and after `hold` seconds the target hangs up on the transferee.

Passes when all of this is seen: a 2xx to REFER within 5 s; within 10 s of that a NOTIFY that ends the
subscription with a final 2xx; the target's INVITE answered and ACKed within 5 s of that; a call that outlives
the transferor; a BYE that gets through. Voice is no part of it: no media is sent.

Measures transfer_delay: REFER out to the ACK in at the target; and notify_delay: REFER out to the final
NOTIFY in. Counts its registrations and the transferee's call.

Fails with `transfer-refused` where REFER is refused; `transfer-failed` where the final NOTIFY tells of a
failure, or of success though the target was not called (it is busy, or somebody else was called) or got no
ACK for its answer, and where a phone is hung up on meanwhile; `no-notify` where the transfer was accepted and
no NOTIFY told its end, whether the target was reached (the detail says) or not; `timeout` where REFER is not
answered. The detail of a refusal or a failure says whether the transferee's call has survived it.
"""

import anyio

from synthetic.probes.attempts import dialled
from synthetic.probes.base import Run
from synthetic.probes.transfers import Transfer
from synthetic.probes.waiting import first_cause


async def blind_transfer(run: Run) -> None:
    """Run the flow with the transferor, the transferee and the target."""
    transfer = Transfer(run)
    target = transfer.target
    await transfer.register()
    with first_cause():
        async with anyio.create_task_group() as group:
            group.start_soon(transfer.transferor.play)
            group.start_soon(target.play)
            await transfer.call()
            group.start_soon(transfer.follow)
            referral = await transfer.refer(dialled(run, target.phone))
            with target.excusing():
                await transfer.concluded(referral)
                await transfer.reached()
            run.timings["transfer_delay"] = target.acknowledged_at - transfer.sent
            await transfer.take_down()
            group.cancel_scope.cancel()
