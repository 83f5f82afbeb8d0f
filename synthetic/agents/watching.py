"""What a phone watches (RFC 6665): subscriptions to presence (RFC 3856) and to dialogs (RFC 4235)."""

from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, Final

import anyio

from dialtone.model import EventPackage, FailureCode
from synthetic import presence_documents
from synthetic.agents.dialog import Dialog
from synthetic.agents.exchange import Answered, understood
from synthetic.agents.headers import document_of, header, parameter_of, text_of, value_of
from synthetic.agents.line import Line
from synthetic.agents.siplib import SipCallId, SipExpires, SipHeader
from synthetic.presence_documents import DocumentError
from synthetic.probes.base import Exchange, FlowError, Notification

MAX_SUBSCRIPTIONS: Final = 8
MAX_WAITING: Final = 64
"""Notifications that nobody has asked for yet; of more, the oldest are forgotten."""

_PACKAGES: Final[Mapping[EventPackage, tuple[str, Callable[[bytes, str], str]]]] = {
    EventPackage.PRESENCE: (presence_documents.PIDF, presence_documents.read_pidf),
    EventPackage.DIALOG: (
        presence_documents.DIALOG_INFO,
        lambda document, _: presence_documents.read_dialog_info(document),
    ),
}
"""The type of an event package's documents, and what reads them, given the tuple of this run."""
_GONE: Final = (404, 408, 410, 480, 481)
"""Answers to a SUBSCRIBE in its dialog that say there is none any more (RFC 6665 4.1.2.2)."""


class SipSubscription:
    """One subscription; synthetic.probes.base.Subscription once it is accepted.

    Its first NOTIFY may come before its 200 (RFC 6665 4.1.4) and makes the dialog then. Where the request was
    forked, the first branch that notifies is the one; the others are told that they are not known.

    `own` is the id of the tuple that this run publishes: see read_pidf.
    """

    def __init__(self, line: Line, user: str, event: EventPackage, own: str) -> None:
        self._line = line
        self._event = event
        self._user = user
        self._own = own
        self._call_id = SipCallId()
        self._from = line.own_address(tagged=True)
        self._their_tag: str | None = None
        self._sequence: int | None = None
        self._last = 0
        self._waiting: deque[Notification] = deque(maxlen=MAX_WAITING)
        self._came = anyio.Event()
        self._accepted: Exchange | None = None
        self._dialog: Dialog | None = None
        self._over = False

    @property
    def accepted(self) -> Exchange:
        """The SUBSCRIBE and its 2xx."""
        if self._accepted is None:
            raise ValueError("the SUBSCRIBE is not accepted yet")
        return self._accepted

    async def subscribe(self) -> None:
        """Send the SUBSCRIBE and return once accepted. Raises FlowError."""
        sent: list[Any] = []

        def make(expires: int) -> Any:
            sent.append(self._first(expires))
            return sent[-1]

        done = (await self._line.put_up(make, sequence=self._next)).accepted()
        with understood("the 2xx to SUBSCRIBE"):
            if done.response.getHFBody("to").getTag() is None:
                raise FlowError(
                    FailureCode.UNEXPECTED_MESSAGE,
                    "a 2xx to SUBSCRIBE without a To tag (RFC 3261 8.2.6.2)",
                    done.status,
                )
            self._dialog = Dialog.of_caller(sent[-1], done.response, self._line.manager.transport)
        self._their_tag = self._their_tag or self._dialog.identity[2]
        self._accepted = done.times

    async def notified(self) -> Notification:
        """Wait for the next NOTIFY; one that came before this was asked is given first."""
        while not self._waiting:
            self._came = anyio.Event()
            await self._came.wait()
        return self._waiting.popleft()

    async def unsubscribe(self) -> Exchange:
        """End it: SUBSCRIBE with Expires 0. Raises FlowError."""
        done = (await self._end()).accepted()
        self._over = True
        return done.times

    async def end(self) -> None:
        """Unsubscribe, unless it is over, or turns out to be. Raises FlowError."""
        if self._over or self._dialog is None:
            return
        done = await self._end()
        self._over = True
        if done.status not in _GONE:
            done.accepted()

    def owns(self, request: Any) -> bool:
        """Whether a NOTIFY is of its dialog, or the first, which makes that (RFC 6665 4.4.1)."""
        return (
            str(request.getHFBody("call-id")) == str(self._call_id)
            and request.getHFBody("to").getTag() == self._from.getParam("tag")
            and self._their_tag in (None, request.getHFBody("from").getTag())
        )

    def take(self, request: Any) -> Any:
        """Take a NOTIFY and return its answer."""
        tag, number = request.getHFBody("from").getTag(), request.getHFBody("cseq").getCSeqNum()
        if tag is None:
            return request.genResponse(400, "No From Tag")
        if value_of(text_of(request, "event")) != self._event.value:
            return request.genResponse(489, "Bad Event")
        state = text_of(request, "subscription-state")
        if not state:
            return request.genResponse(400, "No Subscription-State")
        if self._sequence is not None and number <= self._sequence:
            return request.genResponse(500, "Server Internal Error")
        self._their_tag, self._sequence = tag, number
        active = value_of(state) != "terminated"
        self._over = self._over or not active
        document, problem = self._read(request)
        self._waiting.append(
            Notification(request.rtime.monot, document, active, parameter_of(state, "reason")[:64], problem)
        )
        self._came.set()
        response = request.genResponse(200, "OK")
        response.appendHeader(SipHeader(name="contact", body=self._line.contact()))
        return response

    def _read(self, request: Any) -> tuple[str | None, str]:
        """Return what the document says, or None and why not; a NOTIFY without one is no problem."""
        body = request.getBody()
        if body is None:  # servers that know of no dialog leave the document out
            return ("terminated" if self._event is EventPackage.DIALOG else None), ""
        kind, read = _PACKAGES[self._event]
        given = str(body.getType())
        if given.partition(";")[0].strip().lower() != kind:
            return None, f"the NOTIFY has a document of the type {given[:60]!r}, not {kind}"
        try:
            return read(document_of(request), self._own), ""
        except DocumentError as error:
            return None, str(error)

    async def _end(self) -> Answered:
        if self._dialog is None:
            raise FlowError(FailureCode.UNEXPECTED_MESSAGE, "there is no subscription to end")
        request = self._dialog.request("SUBSCRIBE")
        request.appendHeader(SipHeader(name="contact", body=self._line.contact()))
        request.appendHeader(SipHeader(name="expires", body=SipExpires(number=0)))
        request.appendHeader(header("Event", self._event.value))
        request.appendHeader(header("Accept", _PACKAGES[self._event][0]))
        return await self._line.inside(self._dialog, request)

    def _first(self, expires: int) -> Any:
        return self._line.request(
            "SUBSCRIBE",
            self._line.url(self._user),
            fr0m=self._from.getCopy(),
            call_id=self._call_id,
            sequence=self._next(),
            expires=expires,
            headers=(("Event", self._event.value), ("Accept", _PACKAGES[self._event][0])),
        )

    def _next(self) -> int:
        self._last += 1
        return self._last


class Watching:
    """The subscriptions of one phone in the run of that probe."""

    def __init__(self, line: Line, probe: str) -> None:
        self._line = line
        self._own = presence_documents.own_tuple(probe)
        self._subscriptions: list[SipSubscription] = []

    async def subscribe(self, user: str, event: EventPackage) -> SipSubscription:
        """Watch a user of the tenant. Raises FlowError."""
        if len(self._subscriptions) >= MAX_SUBSCRIPTIONS:
            raise FlowError(FailureCode.MISCONFIGURED, f"a phone watches {MAX_SUBSCRIPTIONS} users at most")
        subscription = SipSubscription(self._line, user, event, self._own)
        self._subscriptions.append(subscription)  # before the 200: a NOTIFY may overtake it
        await subscription.subscribe()
        return subscription

    def take(self, request: Any) -> Any | None:
        """Answer a NOTIFY of a subscription; None where it is of none."""
        known = next((each for each in self._subscriptions if each.owns(request)), None)
        return None if known is None else known.take(request)

    def endings(self) -> list[Any]:
        """Return the steps that end them."""
        return [each.end for each in self._subscriptions]
