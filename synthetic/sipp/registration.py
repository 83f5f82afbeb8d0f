"""A phone's binding: registered by a run of its own, and taken back by another in any case."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import anyio

from sipp_flows.catalogue import REGISTER
from sipp_flows.roles import Note
from synthetic.probes.runner import TIDY
from synthetic.sipp.credentials import write_injection
from synthetic.sipp.errand import MIN_WAIT, Errand
from synthetic.sipp.record import Leg
from synthetic.sipp.stage import client, folder_of, on_stage
from synthetic.sipp.threads import in_thread


@dataclass(slots=True)
class Bound:
    """A phone that was registered from `port`; `leaving` is the run that took the binding back."""

    registration: Leg
    port: int
    leaving: Leg | None = None

    @property
    def there(self) -> bool:
        """Whether the registrar has said that it holds the binding."""
        return self.registration.noted(Note.REGISTERED) is not None


@asynccontextmanager
async def bound(errand: Errand, party: str) -> AsyncIterator[Bound]:
    """Register a party from a port that is its own until the context is left; the binding goes then.

    A registration that failed is no exception: the judge sees it. Raises FlowError for trouble of ours.
    """
    with errand.ports.free(errand.towards(party).host) as port:
        phone = Bound(await register(errand, party, port, errand.life, errand.remaining), port)
        try:
            yield phone
        finally:
            if maybe_bound(phone.registration):
                with anyio.CancelScope(shield=True):
                    phone.leaving = await register(errand, party, port, 0, TIDY)


async def register(errand: Errand, party: str, port: int, expires: int, within: float) -> Leg:
    """Bind a party's account to a port for so many seconds, 0 to take the binding back."""
    account = errand.account(party)
    folder = await folder_of(errand, f"{party}-register-{expires}")
    await in_thread(lambda: write_injection(folder, account))
    keys = {"expires": str(expires)}
    invocation = client(errand, party, REGISTER, port, keys, within, account.tenant)
    async with on_stage(errand, party, invocation, folder) as act:
        return act.leg(await act.ended(within + MIN_WAIT))


def maybe_bound(registration: Leg) -> bool:
    """Whether the platform may hold a binding: it was asked, and didn't refuse."""
    asked = any(message.direction == "sent" for message in registration.finished.messages)
    return asked and registration.noted(Note.REFUSED) is None and registration.noted(Note.DENIED) is None
