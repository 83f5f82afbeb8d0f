"""A request and what came of it, by RFC 6076: one attempt, however often and on how many hops it was seen."""

from typing import Final

from synthetic.capture.records import Address
from synthetic.capture.sip import Sip

TIMER: Final = 32.0
"""Seconds (64 T1, timers B and F of RFC 3261 17.1) after which a request without an answer has failed."""
CHALLENGED: Final = frozenset({401, 407})
MAX_BRANCHES: Final = 16


class Attempt:
    """A request, first seen between two addresses; its times are of what passed between those.

    Sent again with credentials after 401 or 407 it is the same attempt. Seen again, as a retransmission or
    beyond a proxy, it is nothing new. A second way that the same
    sender tries (failover, a fork) is of it too.
    """

    __slots__ = (
        "_branches",
        "answered",
        "began",
        "challenged",
        "credentials",
        "destination",
        "hops",
        "indicated",
        "provisional",
        "rang",
        "reason",
        "sent",
        "sequence",
        "source",
        "status",
    )

    def __init__(self, sip: Sip) -> None:
        self.began = self.sent = sip.at
        self.source, self.destination = sip.source, sip.destination
        self.hops: dict[tuple[Address, Address], None] = {(sip.source, sip.destination): None}
        self.sequence = sip.sequence
        self.credentials = sip.credentials
        self.challenged = False
        self.provisional = False
        self.indicated: float | None = None
        """When the first provisional response but 100 came."""
        self.rang: float | None = None
        """When the first 180, 183 or 200 came."""
        self.status: int | None = None
        self.reason = ""
        self.answered: float | None = None
        """When the final response came."""
        self._branches = {sip.branch}

    def takes(self, sip: Sip) -> bool:
        """Take a request of the same method and sender; False where it is an attempt of its own."""
        if sip.sequence == self.sequence:
            if len(self.hops) < MAX_BRANCHES:
                self.hops[sip.source, sip.destination] = None
            if sip.source == self.source and len(self._branches) < MAX_BRANCHES:
                self._branches.add(sip.branch)
            return True
        if sip.sequence < self.sequence:
            return True  # comes late
        if not sip.credentials or sip.at > (self.answered or self.sent) + TIMER:
            return False
        if self.status not in CHALLENGED and (self.status is not None or self.credentials):
            return False
        self.sequence, self.sent, self.credentials = sip.sequence, sip.at, True
        self.challenged = True
        self.status = self.answered = None
        self._branches.add(sip.branch)
        return True

    def answer(self, sip: Sip) -> bool:
        """Take a response; return whether it is the final one, of the hop where the request was seen."""
        status = sip.status
        if status is None or sip.sequence != self.sequence or not self._is_of_the_hop(sip):
            return False
        if status < 200:
            self.provisional = True
        if status != 100 and status < 200 and self.indicated is None and self.status is None:
            self.indicated = sip.at
        if status in (180, 183, 200) and self.rang is None:
            self.rang = sip.at
        # Of several ways that were tried, one that succeeds decides.
        if status < 200 or (self.status is not None and (self.succeeded or status >= 300)):
            return False
        self.status, self.reason, self.answered = status, sip.reason, sip.at
        return True

    @property
    def succeeded(self) -> bool:
        """Whether it was answered by 2xx."""
        return self.status is not None and 200 <= self.status < 300

    def timed_out(self, until: float) -> bool:
        """Whether no answer came while the sender waited for one; `until` is the capture's end."""
        return self.status is None and not self.provisional and until - self.sent >= TIMER

    def _is_of_the_hop(self, sip: Sip) -> bool:
        if sip.branch and sip.branch in self._branches:
            return True
        return "" in self._branches and (sip.source, sip.destination) == (self.destination, self.source)
