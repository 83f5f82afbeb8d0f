"""A phone's transactions, with the 2xx of an INVITE that come after the first (RFC 6026 7.2, "Accepted").

sippy forgets an INVITE with its first 2xx and drops all others. One is a retransmission, and wants the ACK
again; one of another branch of a fork is a call that somebody answered, and waits to be hung up.
"""

import hashlib
import re
from collections.abc import Callable
from typing import Any, Final

from synthetic.agents.siplib import SipResponse
from synthetic.agents.transactions import TransactionManager

MAX_KEPT: Final = 64
"""INVITEs of one phone that are remembered."""

Again = Callable[[Any], None]

_OF_AN_INVITE: Final = re.compile(
    r"SIP/2\.0 2[0-9]{2}.*^CSeq[ \t]*:[ \t]*[0-9]{1,10}[ \t]+INVITE\b",
    re.IGNORECASE | re.MULTILINE | re.DOTALL,
)


class PhoneTransactions(TransactionManager):
    """The transactions of one phone; `keep` says who hears of the later 2xx of an INVITE."""

    _kept: dict[tuple[Any, ...], Again] | None = None

    def keep(self, identity: tuple[Any, ...], again: Again) -> None:
        """Remember an INVITE that was answered with a 2xx, by sippy's id of its transaction."""
        if self._kept is None:
            self._kept = {}
        if len(self._kept) < MAX_KEPT:
            self._kept[identity] = again

    def handleIncoming(self, data: str, remote: Any, server: Any, at: Any) -> None:  # noqa: N802
        """Let sippy handle a message, unless it is a 2xx that it knows nothing of any more.

        A 2xx repeated to the letter sippy answers itself, with the very ACK that it sent before.
        """
        if self._kept and _OF_AN_INVITE.match(data) and not self._seen(data):
            try:
                response = SipResponse(data)
                identity = response.getTId(True, True)
            except Exception:  # noqa: BLE001 - hostile bytes make sippy's parser raise anything
                identity = None  # sippy meets the same again, and complains of it
            if identity in self._kept and identity not in self.tclient:
                response.rtime = at
                self._wire.understood += 1
                self._kept[identity](response)
                return
        super().handleIncoming(data, remote, server, at)

    def _seen(self, data: str) -> bool:
        checksum = hashlib.md5(data.encode(), usedforsecurity=False).digest()
        return checksum in self.l1rcache or checksum in self.l2rcache
