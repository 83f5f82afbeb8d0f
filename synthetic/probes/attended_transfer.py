"""attended-transfer: a phone of the tenant asks a third one first, and connects the two that it talks to.

Three phones register. The transferee calls the transferor, which answers; the transferor calls the target
(`consult`, else `dial`), which answers at once. After `hold` seconds the transferee and the target begin to
speak, and the transferor sends REFER in its first leg, to the number of the target with Replaces of the
consultation's leg (RFC 3891, RFC 5589 7). The transferor then hangs up its first leg, unless the platform
did, and after `hold` seconds the target hangs up on the transferee. Where the two legs are on different
servers the platform needs more than its own memory to match them: a `consult` that takes another way than
`dial` tests that.

Passes when all of this is seen: a 2xx to REFER within 5 s; within 10 s of that a NOTIFY that ends the
subscription with a final 2xx; within 5 s each a BYE to the transferor on the consultation's leg, and RTP in
the transferee's voice at the target; a call that outlives the transferor; a BYE that gets through. A target
that is sent an INVITE with Replaces takes it: that is the way of a transfer without a server in the call.

Measures transfer_delay: REFER out to that BYE or that voice in, whichever is later; and notify_delay: REFER
out to the final NOTIFY in. Counts its registrations and both calls.

Fails with `transfer-refused` where REFER is refused, `transfer-failed` where the final NOTIFY tells of a
failure, or of success though the consultation's leg stays or the target doesn't hear the transferee, and
where the transferee or the target is hung up on; `no-notify` where the transfer was accepted and no NOTIFY
told its end; `timeout` where REFER is not answered. The calls before the REFER fail as those of `call`.
"""

import anyio

from synthetic.probes.attempts import consulted, place
from synthetic.probes.base import OutgoingCall, Run
from synthetic.probes.transfers import Transfer
from synthetic.probes.waiting import first_cause, held


async def attended_transfer(run: Run) -> None:
    """Run the flow with the transferor, the transferee and the target."""
    transfer = Transfer(run, heard=True)
    await transfer.register()
    with first_cause():
        async with anyio.create_task_group() as group:
            group.start_soon(transfer.transferor.play)
            group.start_soon(transfer.target.play)
            await transfer.call()
            group.start_soon(transfer.follow)
            await _connect(run, transfer)
            await transfer.take_down()
            group.cancel_scope.cancel()


async def _connect(run: Run, transfer: Transfer) -> None:
    target, number = transfer.target, consulted(run, transfer.target.phone)
    with target.excusing():
        consultation = await place(run, transfer.transferor.phone, number)
        run.mark("consultation answered", consultation.setup.answered)
        await target.reached()
    await held(
        run,
        transfer.outgoing.ended,
        transfer.transferor.ended.wait,
        consultation.ended,
        target.ended.wait,
    )
    transfer.outgoing.speak()
    target.call.speak()
    referral = await transfer.refer(number, replaces=consultation)
    await transfer.concluded(referral)
    left = await _proven(transfer, consultation)
    run.timings["transfer_delay"] = max(left, target.heard_at) - transfer.sent


async def _proven(transfer: Transfer, consultation: OutgoingCall) -> float:
    """Wait for both parts of the proof; return when the consultation's leg was ended."""
    left = await transfer.proven(
        f"{transfer.transferor.phone.party} consultation",
        consultation.ended,
        lambda: "the consultation's leg was not ended by BYE",
    )
    await transfer.proven(
        f"{transfer.target.phone.party} voice",
        transfer.target.heard.wait,
        lambda: "the target did not hear the transferee",
    )
    return left
