"""A request and what came of it, by RFC 6076: one attempt, however often and on how many hops it was seen."""

from typing import Final

from synthetic.capture.records import Address
from synthetic.capture.sip import Sip

TIMER: Final = 32.0
"""Seconds (64 T1, timers B and F of RFC 3261 17.1) after which a request without an answer has failed."""
CHALLENGED: Final = frozenset({401, 407})
MAX_BRANCHES: Final = 16
_AT_ONCE: Final = 4.0
"""Seconds (T2) within which a phone answers the challenge to its credentials; later it tries anew."""


class Attempt:
    """A request, first seen between two addresses; its times are of what passed between those.

    Sent again with credentials after 401 or 407 it is the same attempt, and once more at once, where those
    were refused too (stale, or another proxy asks). Seen again, as a retransmission or beyond a proxy, it is
    nothing new; nor is it where that proxy sends credentials of its own. A second way that the same sender
    tries (a fork, or failover: then the last decides) is of it too.
    """

    __slots__ = (
        "_branches",
        "_over",
        "_refused",
        "answered",
        "began",
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
        self.hops: tuple[tuple[Address, Address], ...] = ((sip.source, sip.destination),)
        self.sequence = sip.sequence
        self.credentials = sip.credentials
        self.provisional = False
        self.indicated: float | None = None
        """When the first provisional response but 100 came."""
        self.rang: float | None = None
        """When the first 180, 183 or 200 came."""
        self.status: int | None = None
        self.reason = ""
        self.answered: float | None = None
        """When the final response came."""
        self._branches: tuple[str, ...] = (sip.branch,)
        self._over: tuple[str, ...] = ()  # those that were refused: what comes is a copy
        self._refused = False  # credentials were

    def takes(self, sip: Sip) -> bool:
        """Take a request of the same method and sender; False where it is an attempt of its own."""
        if sip.sequence < self.sequence:
            return True  # comes late
        if sip.sequence == self.sequence:
            self._hop(sip)
            if sip.source == self.source and sip.branch not in self._branches:
                self._another_way(sip)
            return True
        if not sip.credentials:
            return False
        if sip.source != self.source and any(sip.source == source for source, _ in self.hops):
            self._hop(sip)
            return True
        if not self._is_resend(sip):
            return False
        self._refused = self.credentials
        self.sequence, self.sent, self.credentials = sip.sequence, sip.at, True
        self.provisional = False
        self.indicated = self.rang = self.status = self.answered = None
        self._branches, self._over = (sip.branch,), ()
        return True

    def answer(self, sip: Sip) -> bool:
        """Take a response; return whether it is the final one, of the hop where the request was seen."""
        status = sip.status
        if status is None or sip.sequence != self.sequence or not self._is_of_the_hop(sip):
            return False
        if sip.branch in self._over:
            return False
        if status >= 300:
            self._over += (sip.branch,)
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

    def _is_resend(self, sip: Sip) -> bool:
        """Whether it answers a challenge; that may have been missed by the capture."""
        if sip.at > (self.answered or self.sent) + TIMER:
            return False
        if not self.credentials:
            return self.status is None or self.status in CHALLENGED
        if self.status not in CHALLENGED or self._refused or self.answered is None:
            return False
        return sip.at <= min(self.answered + _AT_ONCE, self.began + TIMER)

    def _another_way(self, sip: Sip) -> None:
        if len(self._branches) >= MAX_BRANCHES:
            return
        self._branches += (sip.branch,)
        if self.status is not None and not self.succeeded:
            self.sent, self.credentials = sip.at, self.credentials or sip.credentials
            self.provisional = False
            self.status = self.answered = None

    def _hop(self, sip: Sip) -> None:
        hop = sip.source, sip.destination
        if hop not in self.hops and len(self.hops) < MAX_BRANCHES:
            self.hops += (hop,)

    def _is_of_the_hop(self, sip: Sip) -> bool:
        if sip.branch and sip.branch in self._branches:
            return True
        return "" in self._branches and (sip.source, sip.destination) == (self.destination, self.source)
