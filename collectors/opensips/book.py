"""Who is registered at a server: addresses of record and their contacts, kept small; pure.

An address of record (AOR) is user@host, its tenant the host. usrloc's default (matching_mode 0) knows a
contact by its URI: a REGISTER with a new Call-ID updates it. In mode 1 the Call-ID belongs to it. Nobody says
which mode there is, but an update of a contact that is not known tells, and so do two rows of one URI.
"""

import math
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import Final

from collectors.opensips.events import Event, EventKind

MAX_CONTACTS: Final = 1_000_000
"""Contacts of a server that are told apart, some 150 bytes each; as many AORs. See Book.full."""
MAX_CONTACTS_OF_ONE: Final = 1000
"""Contacts that one AOR may have here; one with more counts as having so many."""
MAX_TOUCHED: Final = 250_000
"""AORs that events have touched lately, and half the contacts; past it the oldest are forgotten."""
MAX_TOUCHED_OF_ONE: Final = 500
"""Contacts of one AOR that are remembered as touched, a phone's every new Call-ID being another."""
REMEMBERED: Final = 150.0
"""Seconds for which it is remembered what events touched."""

_CONTACT: Final = struct.Struct("<qqII")
_PAIR: Final = struct.Struct("<qq")
_HASH: Final = struct.Struct("<q")
_MOST_BYTES: Final = MAX_CONTACTS_OF_ONE * _CONTACT.size
_WHOLE: Final = (0, 0)
"""Stands for all contacts of an AOR: the server said that it is new, or gone."""

Aor = tuple[str, str]
"""Host, lower case and "" where there is none, and user."""
Pair = tuple[int, int]
"""A contact: hashes of its URI and its Call-ID."""
Contact = tuple[int, int, int, int]
"""A contact, its CSeq, and when it expires (0: never, or nobody said)."""


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
    one URI; `changes` counts the events that were applied. `aors` and `contacts` are totals. `crowded` are
    AORs that have, or had, more contacts than are told apart of one.
    """

    def __init__(self, *, most: int = MAX_CONTACTS, most_touched: int = MAX_TOUCHED) -> None:
        self.whole = False
        self.full = False
        self.by_call_id = False
        self.changes = 0
        self.aors = 0
        self.contacts = 0
        self.crowded: set[Aor] = set()
        self._most = most
        self._most_touched = most_touched
        self._hosts: dict[str, dict[str, bytes]] = {}
        self._by_host: dict[str, int] = {}
        self._touched: dict[Aor, _Touch] = {}
        self._pairs = 0

    def by_host(self) -> Iterator[tuple[str, int, int]]:
        """Yield each host with its AORs and contacts."""
        for host, users in self._hosts.items():
            yield host, len(users), self._by_host[host]

    def contacts_of(self, aor: Aor) -> list[Contact]:
        """Return the contacts of an AOR."""
        return list(_CONTACT.iter_unpack(self._records(aor)))

    def _records(self, aor: Aor) -> bytes:
        return self._hosts.get(aor[0], {}).get(aor[1], b"")

    def holds(self, aor: Aor, one: Pair) -> bool:
        """Whether it is known that this contact is registered."""
        return _exactly(self._records(aor), one) is not None

    def knows(self, aor: Aor) -> bool:
        """Whether it is known that this AOR is registered."""
        return aor[1] in self._hosts.get(aor[0], ())

    def add_aor(self, aor: Aor) -> None:
        """Take an AOR as a row of the table tells it, of a server that tells nothing of contacts."""
        if not self.knows(aor):
            self._put(aor, b"")

    def add(self, aor: Aor, one: Pair, cseq: int) -> None:
        """Take a contact as a row of the table tells it."""
        found = self._records(aor)
        if _exactly(found, one) is not None:
            return
        self.by_call_id = self.by_call_id or any(True for _ in _of_uri(found, one))
        self._put(aor, found + _CONTACT.pack(*one, cseq, 0))

    def apply(self, event: Event, now: float) -> None:
        """Take an event in; one that comes twice changes nothing more. `now` is of a monotonic clock."""
        aor, one = divided(event.aor), pair(event.uri, event.call_id)
        self.changes += 1
        match event.kind:
            case EventKind.AOR_INSERT:
                self.crowded.discard(aor)
                self._put(aor, b"")
                self._touch(aor, _WHOLE, now)
            case EventKind.AOR_DELETE:
                self._drop(aor)
                self._touch(aor, _WHOLE, now)
            case EventKind.CONTACT_DELETE:
                self._delete(aor, one, event.cseq, now)
            case EventKind.CONTACT_INSERT | EventKind.CONTACT_UPDATE:
                is_update = event.kind is EventKind.CONTACT_UPDATE
                self._upsert(aor, (*one, event.cseq, event.expires), now, is_update=is_update)

    def _upsert(self, aor: Aor, contact: Contact, now: float, *, is_update: bool) -> None:
        one = contact[:2]
        found = self._records(aor)
        place = self._meant(found, one) if is_update else _exactly(found, one)
        if place is not None:
            self._touch(aor, _PAIR.unpack_from(found, place), now)
            found = _without(found, place)
        self._put(aor, found + _CONTACT.pack(*contact))
        self._touch(aor, one, now)

    def _delete(self, aor: Aor, one: Pair, cseq: int, now: float) -> None:
        found = self._records(aor)
        place = self._meant(found, one)
        if place is None:
            self._touch(aor, one, now)
            return
        uri, call_id, known, _ = _CONTACT.unpack_from(found, place)
        if (uri, call_id) == one and cseq < known:
            # A contact that was taken back and registered anew before usrloc's timer came: in write-back
            # mode the old one's end is told last.
            return
        self._touch(aor, one, now)
        self._touch(aor, (uri, call_id), now)
        self._leave(aor, _without(found, place))

    def _leave(self, aor: Aor, left: bytes) -> None:
        if left or aor in self.crowded:
            self._put(aor, left)
        else:
            self._drop(aor)

    def overdue(self, before: int) -> Iterator[tuple[Aor, Pair] | None]:
        """Yield the contacts that should have ended before that second since 1970, and None for each AOR."""
        for aor in self._each():
            for *one, _, expires in _CONTACT.iter_unpack(self._records(aor)):
                if 0 < expires < before:
                    yield aor, (one[0], one[1])
            yield None

    def end(self, aor: Aor, one: Pair, before: int) -> None:
        """Take a contact out whose end was not told, if it has not been renewed since it was overdue()."""
        found = self._records(aor)
        place = _exactly(found, one)
        if place is not None and 0 < _CONTACT.unpack_from(found, place)[-1] < before:
            self._leave(aor, _without(found, place))

    def _meant(self, records: bytes, one: Pair) -> int | None:
        """Return where the contact is that is updated or deleted: this one, else the only one of its URI.

        Or the only one of its Call-ID, where all contacts are known: a server that matches by other
        parameters (registrar's flag for push notifications) changes the URI.
        """
        exact = _exactly(records, one)
        if exact is not None or self.by_call_id:
            return exact
        found = list(islice(_of_uri(records, one), 2))
        if not found and self.whole:
            found = list(islice(_places(records, _HASH.pack(one[1]), _HASH.size), 2))
        return found[0] if len(found) == 1 else None

    def _put(self, aor: Aor, records: bytes) -> None:
        host, user = aor
        users = self._hosts.setdefault(host, {})
        before = users.get(user)
        is_crowded = len(records) > _MOST_BYTES
        if is_crowded:
            records = records[:_MOST_BYTES]
        more = (len(records) - len(before or b"")) // _CONTACT.size
        if (more > 0 and self.contacts + more > self._most) or (before is None and self.aors >= self._most):
            self.full = True
            if not users:
                del self._hosts[host]
            return
        if is_crowded:
            self.crowded.add(aor)
        users[user] = records
        self.aors += before is None
        self.contacts += more
        self._by_host[host] = self._by_host.get(host, 0) + more

    def _drop(self, aor: Aor) -> None:
        host, user = aor
        users = self._hosts.get(host, {})
        gone = users.pop(user, None)
        if gone is None:
            return
        self.crowded.discard(aor)
        number = len(gone) // _CONTACT.size
        self.aors -= 1
        self.contacts -= number
        self._by_host[host] -= number
        if not users:
            del self._hosts[host], self._by_host[host]

    def thin_out(self) -> None:
        """Say of no AOR that it has more contacts than are here, if it could have them all here."""
        self.crowded = {aor for aor in self.crowded if len(self._records(aor)) >= _MOST_BYTES}

    def _touch(self, aor: Aor, one: Pair, now: float) -> None:
        touch = self._touched.pop(aor, None) or _Touch()
        pairs = touch.pairs
        self._pairs -= len(pairs)
        if one == _WHOLE:
            pairs.clear()
        touch.last, touch.number = now, self.changes
        pairs.pop(one, None)
        pairs[one] = now  # the newest last, here as there
        while len(pairs) > MAX_TOUCHED_OF_ONE or pairs[next(iter(pairs))] < now - REMEMBERED:
            del pairs[next(iter(pairs))]
        self._pairs += len(pairs)
        self._touched[aor] = touch
        while len(self._touched) > self._most_touched or self._pairs > 2 * self._most_touched:
            self.forget(math.inf, 1 + self._most_touched // 100)

    def forget(self, before: float, most: int = MAX_TOUCHED) -> bool:
        """Forget which AORs events touched before that instant, so many at once; whether it were so many."""
        oldest = list(
            islice(self._touched.items(), most)
        )  # not one by one: a dict is slow at its emptied end
        for aor, touch in oldest:
            if touch.last >= before:
                return False
            del self._touched[aor]
            self._pairs -= len(touch.pairs)
        return len(oldest) == most

    @property
    def remembered(self) -> list[Aor]:
        """The AORs that events touched, as far as it is remembered."""
        return list(self._touched)

    @property
    def remembered_contacts(self) -> int:
        """How many contacts of them that are."""
        return self._pairs

    def touched(self, since: float, after: int = 0) -> list[Aor]:
        """Return the AORs that events touched since that instant, after that many changes."""
        found: list[Aor] = []
        for aor, touch in reversed(self._touched.items()):
            if touch.last < since or touch.number <= after:
                break
            found.append(aor)
        return found[::-1]

    def differing(self, other: "Book", since: float) -> Iterator[int]:
        """Count, one by one, AORs whose contacts differ, but for those that events touched since then.

        Yields the count so far, so that somebody else can have a turn.
        """
        count = 0
        lately = self._touched
        for one, another in ((self, other), (other, self)):
            for aor in one._each():
                ours = one._hosts.get(aor[0], {}).get(aor[1])
                theirs = another._hosts.get(aor[0], {}).get(aor[1])
                touch = lately.get(aor)
                if (one is self or theirs is None) and (touch is None or touch.last < since):
                    count += ours != theirs and _pairs(ours) != _pairs(theirs)
                yield count

    def _each(self) -> Iterator[Aor]:
        """Yield the AORs; events may come meanwhile."""
        for host in list(self._hosts):
            for user in list(self._hosts.get(host, ())):
                yield host, user

    def settle(self, found: "Book", aor: Aor, since: float) -> None:
        """Put one AOR into what a table gave, `found`: what events said since then goes before the table.

        A table may lag behind (write-back), and rows are read while events come.
        """
        touch = self._touched.get(aor)
        if touch is None or touch.last < since:
            return
        pairs = {one for one, at in touch.pairs.items() if at >= since}
        ours, theirs = self.contacts_of(aor), found.contacts_of(aor)
        if _WHOLE in pairs:
            kept = ours
        elif aor in self.crowded:
            known = {one[:2] for one in theirs}
            kept = theirs + [one for one in ours if one[:2] not in known]
        elif found.by_call_id:
            kept = [one for one in ours if one[:2] in pairs]
            kept += [one for one in theirs if one[:2] not in pairs]
        else:
            uris = {uri for uri, _ in pairs}
            kept = [one for one in ours if one[0] in uris] + [one for one in theirs if one[0] not in uris]
        if kept or (_WHOLE in pairs and self.knows(aor)):
            found._put(aor, _packed(kept))
            if aor in self.crowded:
                found.crowded.add(aor)
        else:
            found._drop(aor)

    def succeed(self, before: "Book") -> None:
        """Go on where another book ends: what events touched, how many there were."""
        self._touched, self._pairs, self.changes = before._touched, before._pairs, before.changes
        before._touched, before._pairs = {}, 0

    def give_back(self, number: int) -> bool:
        """Give back the memory of so many AORs of a book that nobody reads any more; whether it had some."""
        had = bool(self._hosts or self._touched)
        for _ in range(number):
            if self._touched:
                self._touched.popitem()
            elif self._hosts:
                users = self._hosts[next(reversed(self._hosts))]
                if users:
                    users.popitem()
                if not users:
                    self._hosts.popitem()
        return had


def _places(records: bytes, wanted: bytes, offset: int = 0) -> Iterator[int]:
    """Yield where the contacts begin that have these bytes at that place."""
    found = records.find(wanted)
    while found >= 0:
        if found % _CONTACT.size == offset:
            yield found - offset
        found = records.find(wanted, found + 1)


def _exactly(records: bytes, one: Pair) -> int | None:
    return next(_places(records, _PAIR.pack(*one)), None)


def _of_uri(records: bytes, one: Pair) -> Iterator[int]:
    return _places(records, _HASH.pack(one[0]))


def _without(records: bytes, place: int) -> bytes:
    return records[:place] + records[place + _CONTACT.size :]


def _packed(contacts: Iterable[Contact]) -> bytes:
    return b"".join(_CONTACT.pack(*contact) for contact in contacts)


def _pairs(records: bytes | None) -> frozenset[Pair] | None:
    return None if records is None else frozenset(one[:2] for one in _CONTACT.iter_unpack(records))
