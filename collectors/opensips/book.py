"""Who is registered at a server: addresses of record and their contacts, kept small; pure.

An address of record (AOR) is user@host, its tenant the host. usrloc's default (matching_mode 0) knows a
contact by its URI: a REGISTER with a new Call-ID updates it. In mode 1 the Call-ID belongs to it. Nobody says
which mode there is, but an update of a contact that is not known tells, and so do two rows of one URI.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from collectors.opensips.events import Event, EventKind

MAX_CONTACTS: Final = 1_000_000
"""Contacts of a server that are told apart, some 150 bytes each; as many AORs. See Book.full."""
MAX_CONTACTS_OF_ONE: Final = 1000
"""Contacts that one AOR may have here."""
MAX_TOUCHED: Final = 250_000
"""AORs that events have touched lately; past it the oldest are forgotten."""

_CONTACT: Final = struct.Struct("<qqI")
_WHOLE: Final = (0, 0)
"""Stands for all contacts of an AOR: the server said that it is new, or gone."""

Aor = tuple[str, str]
"""Host, lower case and "" where there is none, and user."""
Pair = tuple[int, int]
"""A contact: hashes of its URI and its Call-ID."""
Contact = tuple[int, int, int]
"""A contact and its CSeq."""


def divided(aor: str) -> Aor:
    """Return an AOR's host and user."""
    user, _, host = aor.rpartition("@")
    return (host.lower(), user) if user else ("", aor)


def pair(uri: str, call_id: str) -> Pair:
    """Return what a contact is known by."""
    return hash(uri), hash(call_id)


@dataclass(slots=True)
class _Touch:
    """What events said of an AOR: when each contact was last spoken of, `last` the newest of these."""

    last: float = 0.0
    number: int = 0
    pairs: dict[Pair, float] = field(default_factory=dict)


class Book:
    """The registrations of one server.

    `whole` says that all of them are here, `full` that some did not fit, `by_call_id` that two contacts have
    one URI; `changes` counts the events that were applied. `aors` and `contacts` are totals.
    """

    def __init__(self, *, most: int = MAX_CONTACTS, most_touched: int = MAX_TOUCHED) -> None:
        self.whole = False
        self.full = False
        self.by_call_id = False
        self.changes = 0
        self.aors = 0
        self.contacts = 0
        self._most = most
        self._most_touched = most_touched
        self._hosts: dict[str, dict[str, bytes]] = {}
        self._by_host: dict[str, int] = {}
        self._touched: dict[Aor, _Touch] = {}

    def by_host(self) -> Iterator[tuple[str, int, int]]:
        """Yield each host with its AORs and contacts."""
        for host, users in self._hosts.items():
            yield host, len(users), self._by_host[host]

    def contacts_of(self, aor: Aor) -> list[Contact]:
        """Return the contacts of an AOR."""
        return list(_CONTACT.iter_unpack(self._hosts.get(aor[0], {}).get(aor[1], b"")))

    def holds(self, aor: Aor, one: Pair) -> bool:
        """Whether it is known that this contact is registered."""
        return any(contact[:2] == one for contact in self.contacts_of(aor))

    def knows(self, aor: Aor) -> bool:
        """Whether it is known that this AOR is registered."""
        return aor[1] in self._hosts.get(aor[0], ())

    def add_aor(self, aor: Aor) -> None:
        """Take an AOR as a row of the table tells it, of a server that tells nothing of contacts."""
        if not self.knows(aor):
            self._put(aor, [])

    def add(self, aor: Aor, one: Pair, cseq: int) -> None:
        """Take a contact as a row of the table tells it."""
        found = self.contacts_of(aor)
        if any(contact[:2] == one for contact in found):
            return
        self.by_call_id = self.by_call_id or any(contact[0] == one[0] for contact in found)
        self._put(aor, [*found, (*one, cseq)])

    def apply(self, event: Event, now: float) -> None:
        """Take an event in; one that comes twice changes nothing more. `now` is of a monotonic clock."""
        aor, one = divided(event.aor), pair(event.uri, event.call_id)
        self.changes += 1
        match event.kind:
            case EventKind.AOR_INSERT:
                self._put(aor, [])
                self._touch(aor, _WHOLE, now)
            case EventKind.AOR_DELETE:
                self._drop(aor)
                self._touch(aor, _WHOLE, now)
            case EventKind.CONTACT_DELETE:
                self._delete(aor, one, event.cseq, now)
            case EventKind.CONTACT_INSERT | EventKind.CONTACT_UPDATE:
                is_update = event.kind is EventKind.CONTACT_UPDATE
                self._upsert(aor, one, event.cseq, now, is_update=is_update)

    def _upsert(self, aor: Aor, one: Pair, cseq: int, now: float, *, is_update: bool) -> None:
        found = self.contacts_of(aor)
        old = self._meant(found, one) if is_update else _exactly(found, one)
        if old is not None:
            found.remove(old)
            self._touch(aor, old[:2], now)
        self._put(aor, [*found, (*one, cseq)])
        self._touch(aor, one, now)

    def _delete(self, aor: Aor, one: Pair, cseq: int, now: float) -> None:
        found = self.contacts_of(aor)
        old = self._meant(found, one)
        if old is not None and old[:2] == one and cseq < old[2]:
            # A contact that was taken back and registered anew before usrloc's timer came: in write-back
            # mode the old one's end is told last.
            return
        self._touch(aor, one, now)
        if old is None:
            return
        found.remove(old)
        self._touch(aor, old[:2], now)
        if found:
            self._put(aor, found)
        else:
            self._drop(aor)

    def _meant(self, contacts: list[Contact], one: Pair) -> Contact | None:
        """Return the contact that is updated or deleted: this one, else the only one of its URI.

        Or the only one of its Call-ID, where all contacts are known: a server that matches by other
        parameters (registrar's flag for push notifications) changes the URI.
        """
        exact = _exactly(contacts, one)
        if exact is not None or self.by_call_id:
            return exact
        found = [contact for contact in contacts if contact[0] == one[0]]
        if not found and self.whole:
            found = [contact for contact in contacts if contact[1] == one[1]]
        return found[0] if len(found) == 1 else None

    def _put(self, aor: Aor, contacts: list[Contact]) -> None:
        host, user = aor
        users = self._hosts.setdefault(host, {})
        before = users.get(user)
        more = len(contacts) - (len(before) // _CONTACT.size if before else 0)
        too_many = more > 0 and self.contacts + more > self._most
        if too_many or (before is None and self.aors >= self._most) or len(contacts) > MAX_CONTACTS_OF_ONE:
            self.full = True
            if not users:
                del self._hosts[host]
            return
        users[user] = b"".join(_CONTACT.pack(*contact) for contact in contacts)
        self.aors += before is None
        self.contacts += more
        self._by_host[host] = self._by_host.get(host, 0) + more

    def _drop(self, aor: Aor) -> None:
        host, user = aor
        users = self._hosts.get(host, {})
        gone = users.pop(user, None)
        if gone is None:
            return
        number = len(gone) // _CONTACT.size
        self.aors -= 1
        self.contacts -= number
        self._by_host[host] -= number
        if not users:
            del self._hosts[host], self._by_host[host]

    def _touch(self, aor: Aor, one: Pair, now: float) -> None:
        touch = self._touched.pop(aor, None) or _Touch()
        if one == _WHOLE:
            touch.pairs.clear()
        touch.last, touch.number = now, self.changes
        touch.pairs[one] = now
        self._touched[aor] = touch  # the newest last
        if len(self._touched) > self._most_touched:
            del self._touched[next(iter(self._touched))]

    def forget(self, before: float) -> None:
        """Forget which AORs events touched before that instant."""
        while self._touched:
            aor, touch = next(iter(self._touched.items()))
            if touch.last >= before:
                return
            del self._touched[aor]

    def touched(self, since: float, after: int = 0) -> list[Aor]:
        """Return the AORs that events touched since that instant, after that many changes."""
        return [aor for aor, touch in self._touched.items() if touch.last >= since and touch.number > after]

    def differing(self, other: "Book", since: float) -> Iterator[int]:
        """Count, one by one, AORs whose contacts differ, but for those that events touched since then.

        Yields the count so far, so that somebody else can have a turn.
        """
        count = 0
        lately = self._touched
        for host in list(self._hosts.keys() | other._hosts.keys()):
            ours, theirs = self._hosts.get(host, {}), other._hosts.get(host, {})
            for user in list(ours.keys() | theirs.keys()):
                touch = lately.get((host, user))
                if touch is not None and touch.last >= since:
                    continue
                count += _pairs(ours.get(user)) != _pairs(theirs.get(user))
                yield count

    def settle(self, found: "Book", aor: Aor, since: float) -> None:
        """Put one AOR into what a table gave, `found`: what events said since then goes before the table.

        A table may lag behind (write-back), and rows are read while events come.
        """
        touch = self._touched.get(aor)
        if touch is None:
            return
        pairs = {one for one, at in touch.pairs.items() if at >= since}
        ours, theirs = self.contacts_of(aor), found.contacts_of(aor)
        if _WHOLE in pairs:
            kept = ours
        elif found.by_call_id:
            kept = [one for one in ours if one[:2] in pairs]
            kept += [one for one in theirs if one[:2] not in pairs]
        else:
            uris = {uri for uri, _ in pairs}
            kept = [one for one in ours if one[0] in uris] + [one for one in theirs if one[0] not in uris]
        if kept or (_WHOLE in pairs and self.knows(aor)):
            found._put(aor, kept)
        else:
            found._drop(aor)

    def succeed(self, before: "Book") -> None:
        """Go on where another book ends: what events touched, how many there were."""
        self._touched, self.changes = before._touched, before.changes


def _exactly(contacts: list[Contact], one: Pair) -> Contact | None:
    return next((contact for contact in contacts if contact[:2] == one), None)


def _pairs(records: bytes | None) -> frozenset[Pair] | None:
    return None if records is None else frozenset(one[:2] for one in _CONTACT.iter_unpack(records))
