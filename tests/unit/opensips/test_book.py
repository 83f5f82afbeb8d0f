"""Registrations in memory: events in any number, tables that lag behind, and never a contact twice."""

import random
from collections.abc import Iterable

import pytest

from collectors.opensips.book import (
    MAX_CONTACTS_OF_ONE,
    MAX_TOUCHED_OF_ONE,
    REMEMBERED,
    Book,
    divided,
    pair,
)
from collectors.opensips.events import Event, EventKind

HOST = "acme.example"
AOR = f"1001@{HOST}"
KEY = (HOST, "1001")


def aor_insert(aor: str = AOR) -> Event:
    return Event(EventKind.AOR_INSERT, aor)


def aor_delete(aor: str = AOR) -> Event:
    return Event(EventKind.AOR_DELETE, aor)


def insert(uri: str = "sip:a", call_id: str = "c1", cseq: int = 1, aor: str = AOR) -> Event:
    return Event(EventKind.CONTACT_INSERT, aor, uri, call_id, cseq)


def update(uri: str = "sip:a", call_id: str = "c1", cseq: int = 2, aor: str = AOR) -> Event:
    return Event(EventKind.CONTACT_UPDATE, aor, uri, call_id, cseq)


def delete(uri: str = "sip:a", call_id: str = "c1", cseq: int = 9, aor: str = AOR) -> Event:
    return Event(EventKind.CONTACT_DELETE, aor, uri, call_id, cseq)


def told(*events: Event, now: float = 1000.0, whole: bool = False) -> Book:
    """Return a book after these events."""
    book = Book()
    book.whole = whole
    for event in events:
        book.apply(event, now)
    return book


def rows(*contacts: tuple[str, str], aor: tuple[str, str] = KEY) -> Book:
    """Return what a table of these URIs and Call-IDs gives."""
    book = Book()
    for uri, call_id in contacts:
        book.add(aor, pair(uri, call_id), 1)
    return book


def settled(live: Book, found: Book, since: float = 900.0) -> Book:
    """Return what becomes of a table's registrations once events are heard."""
    for aor in live.touched(since):
        live.settle(found, aor, since)
    return found


def numbers(book: Book) -> tuple[int, int]:
    assert list(book.by_host()) == ([(HOST, book.aors, book.contacts)] if book.aors else [])
    return book.aors, book.contacts


def test_an_address_is_divided_at_its_last_at_sign() -> None:
    assert divided("a@b@ACME.example") == ("acme.example", "a@b")
    assert divided("1001") == ("", "1001"), "use_domain=0"


@pytest.mark.parametrize("event", [aor_insert(), insert(), update()])
def test_an_event_that_comes_twice_counts_once(event: Event) -> None:
    assert numbers(told(event, event)) == numbers(told(event))


def test_a_registration_comes_and_goes() -> None:
    assert numbers(told(aor_insert(), insert())) == (1, 1)
    assert numbers(told(aor_insert(), insert(), insert("sip:b", "c2"))) == (1, 2)
    assert numbers(told(aor_insert(), insert(), delete())) == (0, 0)
    assert numbers(told(aor_insert(), insert(), delete(), aor_delete(), delete())) == (0, 0)


def test_an_update_with_a_new_call_id_is_the_same_contact() -> None:
    book = told(insert(), update(call_id="c2"))
    assert numbers(book) == (1, 1)
    book.apply(delete(call_id="c2"), 1000.0)
    assert numbers(book) == (0, 0)


def test_where_the_call_id_tells_contacts_apart_each_is_one() -> None:
    book = told(insert(), insert(call_id="c2"))
    assert numbers(book) == (1, 2)
    book.apply(delete(call_id="c1"), 1000.0)
    assert book.holds(KEY, pair("sip:a", "c2"))
    assert numbers(book) == (1, 1)


def test_an_update_that_was_lost_does_not_keep_a_contact_alive() -> None:
    assert numbers(told(insert(), delete(call_id="changed meanwhile"))) == (0, 0)


def test_a_changed_uri_of_the_only_contact_with_that_call_id_is_the_same_contact() -> None:
    """Phones that are woken by push are matched by other parameters than their URI."""
    assert numbers(told(insert(), update("sip:elsewhere"), whole=True)) == (1, 1)
    assert numbers(told(insert(), update("sip:elsewhere"), whole=False)) == (1, 2), "there may be two"


def test_the_late_end_of_a_contact_that_came_back_does_not_end_the_new_one() -> None:
    """In write-back mode a contact that says goodbye is deleted by the timer, after its next REGISTER."""
    assert numbers(told(insert(cseq=1), insert(cseq=3), delete(cseq=1))) == (1, 1)
    assert numbers(told(insert(), insert(call_id="c2"), delete(call_id="c1"))) == (1, 1)


def test_an_address_that_is_new_has_no_contacts_of_before() -> None:
    assert numbers(told(insert("sip:old"), aor_insert(), insert("sip:new"))) == (1, 1)


def test_what_comes_while_a_table_is_read_goes_before_the_table() -> None:
    live = told(insert(), delete(), insert("sip:b", "c2"))
    found = settled(live, rows(("sip:a", "c1"), ("sip:c", "c3")))
    assert numbers(found) == (1, 2)
    assert found.holds(KEY, pair("sip:b", "c2"))
    assert found.holds(KEY, pair("sip:c", "c3"))


def test_what_a_lagging_table_has_not_yet_or_still_is_as_events_said() -> None:
    came = told(aor_insert(), insert())
    assert numbers(settled(came, Book())) == (1, 1)
    went = told(aor_insert(), insert(), delete(), aor_delete())
    assert numbers(settled(went, rows(("sip:a", "c1")))) == (0, 0)
    renewed = told(update(call_id="c2"))
    assert numbers(settled(renewed, rows(("sip:a", "c1")))) == (1, 1)


def test_what_events_said_long_ago_gives_way_to_the_table() -> None:
    live = told(insert(), now=100.0)
    live.apply(insert("sip:b", "c2"), 1000.0)
    assert numbers(settled(live, Book(), since=900.0)) == (1, 1), "sip:a: its end was lost"
    live.forget(1001.0)
    assert numbers(settled(live, Book(), since=0.0)) == (0, 0)


def test_where_the_table_shows_two_contacts_of_one_uri_an_update_of_one_keeps_both() -> None:
    live = told(update(call_id="c2"))
    found = settled(live, rows(("sip:a", "c1"), ("sip:a", "c2")))
    assert numbers(found) == (1, 2)
    found.apply(update(call_id="c3"), 1000.0)
    assert numbers(found) == (1, 3), "Call-IDs tell contacts apart there"


def test_differences_are_counted_but_for_what_events_touched_lately() -> None:
    live = told(insert(aor="a@x.example"), insert(aor="b@x.example"), now=100.0)
    live.apply(insert(aor="c@x.example"), 1000.0)
    found = rows(("sip:a", "c1"), aor=("x.example", "a"))
    found.add(("y.example", "z"), pair("sip:z", "c"), 1)
    assert list(live.differing(found, since=900.0))[-1] == 2, "b is gone, z is new, c is not judged"


def test_a_book_takes_so_many_and_says_when_it_is_full() -> None:
    book = Book(most=3)
    for number in range(5):
        book.apply(insert(aor=f"{number}@{HOST}"), 1.0)
    assert numbers(book) == (3, 3)
    assert book.full
    book.apply(delete(aor=f"0@{HOST}"), 1.0)
    book.apply(insert(aor=f"9@{HOST}"), 1.0)
    assert numbers(book) == (3, 3)


def test_an_address_has_so_many_contacts_and_no_more() -> None:
    book = Book()
    for number in range(MAX_CONTACTS_OF_ONE + 1):
        book.apply(insert(f"sip:{number}", f"c{number}"), 1.0)
    assert numbers(book) == (1, MAX_CONTACTS_OF_ONE)
    assert (book.full, book.crowded) == (False, {KEY})
    book.add(KEY, pair("sip:row", "c"), 1)
    assert numbers(book) == (1, MAX_CONTACTS_OF_ONE)
    book.apply(insert(aor=f"other@{HOST}"), 1.0)
    assert numbers(book) == (2, MAX_CONTACTS_OF_ONE + 1), "nobody else is the worse for it"


def test_an_address_with_too_many_contacts_stays_until_the_server_says_that_it_is_gone() -> None:
    book = Book()
    for number in range(MAX_CONTACTS_OF_ONE + 1):
        book.apply(insert(f"sip:{number}", f"c{number}"), 1.0)
    book.thin_out()
    assert book.crowded == {KEY}
    for number in range(MAX_CONTACTS_OF_ONE):
        book.apply(delete(f"sip:{number}", f"c{number}"), 1.0)
    assert numbers(book) == (1, 0), "one is left that is not known here"
    book.apply(update(f"sip:{MAX_CONTACTS_OF_ONE}", f"c{MAX_CONTACTS_OF_ONE}"), 1.0)
    assert numbers(book) == (1, 1)
    book.thin_out()
    assert not book.crowded
    book.apply(aor_delete(), 1.0)
    assert numbers(book) == (0, 0)


def test_what_is_too_much_of_one_address_is_so_in_a_table_too() -> None:
    live = Book()
    for number in range(MAX_CONTACTS_OF_ONE + 1):
        live.apply(insert(f"sip:{number}", f"c{number}"), 1000.0)
    live.apply(aor_insert(f"new@{HOST}"), 1000.0)
    found = rows(*((f"sip:{number}", f"c{number}") for number in range(500, MAX_CONTACTS_OF_ONE + 500)))
    settled(live, found)
    assert numbers(found) == (2, MAX_CONTACTS_OF_ONE)
    assert found.crowded == {KEY}
    assert not found.full


def test_an_event_or_a_row_of_an_address_looks_at_no_other_contact_of_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """So a thousand contacts of one address take a thousand times as long as one, not a million times."""
    book = rows(*((f"sip:{number}", f"c{number}") for number in range(100)))

    def fails(*_: object) -> None:
        raise AssertionError("all contacts are unpacked")

    monkeypatch.setattr(Book, "contacts_of", fails)
    book.add(KEY, pair("sip:row", "c"), 1)
    for event in (insert("sip:new", "n"), update("sip:7", "changed"), delete("sip:8", "c8")):
        book.apply(event, 1.0)
    assert book.holds(KEY, pair("sip:7", "changed"))
    assert numbers(book) == (1, 101)


def test_a_call_id_that_is_a_uri_is_no_uri() -> None:
    book = told(insert("sip:a", "sip:b"), insert("sip:b", "sip:a"), insert("sip:c", "sip:c"))
    assert numbers(book) == (1, 3)
    book.apply(update("sip:c", "sip:d"), 1000.0)
    book.apply(delete("sip:b", "sip:x"), 1000.0)
    assert numbers(book) == (1, 2)
    assert book.holds(KEY, pair("sip:a", "sip:b"))
    assert book.holds(KEY, pair("sip:c", "sip:d"))


def test_a_phone_with_a_new_call_id_each_time_does_not_fill_the_memory() -> None:
    book = told(insert())
    for number in range(10 * MAX_TOUCHED_OF_ONE):
        book.apply(update(call_id=f"c{number}"), 1000.0)
    assert book.remembered_contacts == MAX_TOUCHED_OF_ONE
    book.apply(update(call_id="a while later"), 1001.0 + REMEMBERED)
    assert book.remembered_contacts == 1 + 1, "the one that was replaced is touched as well"
    assert numbers(book) == (1, 1)


def test_what_many_phones_with_new_call_ids_touched_is_remembered_of_so_many() -> None:
    book = Book(most_touched=50)
    for number in range(1000):
        book.apply(update(call_id=f"c{number}", aor=f"{number % 10}@{HOST}"), 1000.0)
    assert book.remembered_contacts <= 100
    assert book.forget(1001.0, most=2), "there may be more"
    assert len(book.remembered) == 8
    assert not book.forget(1001.0)
    assert book.remembered_contacts == 0
    assert not book.remembered


def test_an_old_book_gives_back_its_memory_bit_by_bit() -> None:
    book = told(*(aor_insert(f"{number}@{host}") for host in ("x", "y") for number in range(5)))
    turns = 0
    while book.give_back(3):
        turns += 1
    assert turns == 7, "ten addresses, and what events touched of them"
    assert not list(book.by_host())
    assert not book.remembered


def test_what_events_touched_is_remembered_of_so_many() -> None:
    book = Book(most_touched=2)
    for user in "abc":
        book.apply(aor_insert(f"{user}@{HOST}"), 1.0)
    assert book.touched(0.0) == [(HOST, "b"), (HOST, "c")]


@pytest.mark.parametrize("seed", range(20))
def test_whenever_a_table_is_read_the_result_is_what_the_server_has(seed: int) -> None:
    """A server's life at random in its default mode, read at a random moment and with a random lag."""
    chance = random.Random(seed)
    server: dict[str, dict[str, tuple[str, int]]] = {}
    states: list[list[tuple[str, str, str]]] = [[]]
    events: list[list[Event]] = []
    for number in range(1, 300):
        events.append(list(life(chance, server, number)))
        states.append([(a, u, c) for a, found in server.items() for u, (c, _) in found.items()])
    subscribed, read = sorted(chance.sample(range(len(events)), 2))
    lag = chance.randrange(read - subscribed + 1)
    live = Book()
    for moment in range(subscribed, read):
        for event in events[moment]:
            live.apply(event, float(moment))
    found = Book()
    for aor, uri, call_id in states[read - lag]:
        found.add(divided(aor), pair(uri, call_id), 0)
    settled(live, found, since=float(subscribed))
    found.succeed(live)
    found.whole = True
    for moment in range(read, len(events)):
        for event in events[moment]:
            found.apply(event, float(moment))
    assert numbers(found) == (len({aor for aor, *_ in states[-1]}), len(states[-1]))


def life(
    chance: random.Random, server: dict[str, dict[str, tuple[str, int]]], number: int
) -> Iterable[Event]:
    """Let one REGISTER happen at a server; yield its events."""
    aor, uri = f"{chance.randrange(8)}@{HOST}", f"sip:{chance.randrange(3)}"
    contacts = server.get(aor, {})
    call_id = chance.choice([f"call-{number}", contacts.get(uri, ("first", 0))[0]])
    if uri not in contacts:
        if not contacts:
            yield aor_insert(aor)
        server.setdefault(aor, {})[uri] = (call_id, number)
        yield insert(uri, call_id, number, aor)
    elif chance.random() < 0.5:
        contacts[uri] = (call_id, number)
        yield update(uri, call_id, number, aor)
    else:
        old, cseq = contacts.pop(uri)
        yield delete(uri, old, cseq, aor)
        if not contacts:
            del server[aor]
            yield aor_delete(aor)


def test_a_contact_that_was_renewed_since_it_was_found_overdue_stays() -> None:
    book = Book()
    book.apply(Event(EventKind.AOR_INSERT, AOR), 0.0)
    book.apply(Event(EventKind.CONTACT_INSERT, AOR, "sip:a", "c1", 1, expires=100), 0.0)
    book.apply(Event(EventKind.AOR_INSERT, f"1002@{HOST}"), 0.0)
    book.apply(Event(EventKind.CONTACT_INSERT, f"1002@{HOST}", "sip:b", "c2", 1, expires=100), 0.0)
    found = [one for one in book.overdue(200) if one is not None]
    book.apply(Event(EventKind.CONTACT_UPDATE, AOR, "sip:a", "c1", 2, expires=700), 1.0)
    for aor, contact in found:
        book.end(aor, contact, 200)
    assert (len(found), book.contacts) == (2, 1)
