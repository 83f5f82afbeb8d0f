"""Whose a channel, a queue, a room is: by the recordings of both versions, source by source, and by names."""

import itertools
import re
from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.asterisk.parse import MAX_NAME, Channel, parse_channel, parse_channels
from collectors.asterisk.whose import NamePattern, Whose, read_patterns
from dialtone.config import TenantDirectory, TenantTree
from dialtone.model import UNKNOWN_TENANT, Level, Tenant
from tests.unit.asterisk.conftest import RESELLER, VERSIONS, blocks, items

TOP = "clusterpbx.example"
PATTERNS = "{tenant}-*\n*@{tenant}"


def domain(name: str) -> str:
    return f"{name}.{RESELLER}" if name else ""


def tree(*given: Tenant) -> TenantTree:
    top = Tenant(TOP, None, Level.PLATFORM, "Platform")
    return TenantTree(top, [Tenant(RESELLER, TOP, Level.RESELLER, "NTEK"), *given])


def tenant(name: str, codes: Sequence[str] = (), contexts: Sequence[str] = ()) -> Tenant:
    return Tenant(domain(name), RESELLER, Level.CLIENT, name, "UTC", "en", tuple(codes), tuple(contexts))


def by_code(*names: str) -> TenantTree:
    return tree(*(tenant(name, codes=[name]) for name in names))


def leg(
    name: str = "PJSIP/x-00000001", code: str = "", tenant_id: str = "", context: str = "",
    own: str = "pbx-100.1", call: str = "pbx-100.1",
) -> Channel:  # fmt: skip
    internal = name.startswith("Local/")
    return Channel(own, call, name, "PJSIP", "up", internal, code, tenant_id, context)


class Counting:
    """A TenantLookup that counts what it is asked."""

    def __init__(self, tenants: TenantTree) -> None:
        self.tree = tenants
        self.asked = 0

    @property
    def domains(self) -> Sequence[str]:
        return self.tree.domains

    def match(self, host: str) -> Tenant | None:
        return self.tree.match(host)

    def by_account_code(self, code: str) -> Tenant | None:
        self.asked += 1
        return self.tree.by_account_code(code)

    def by_context(self, context: str) -> Tenant | None:
        self.asked += 1
        return self.tree.by_context(context)

    def reseller(self, domain: str) -> str:
        return self.tree.reseller(domain)

    def fixed(self) -> "Counting":
        return self


# The recordings: three tenants' calls in three states, with queue, conference, trunk and Local legs.

MIXED = {
    "PJSIP/acme-101": "acme", "PJSIP/acme-103": "acme", "PJSIP/acme-104": "acme", "PJSIP/acme-105": "acme",
    "PJSIP/bd-201": "bd", "PJSIP/bd-203": "bd", "PJSIP/bd-204": "bd", "PJSIP/bd-205": "bd",
    "PJSIP/globex-303": "globex", "PJSIP/globex-304": "globex", "PJSIP/globex-305": "globex",
    "PJSIP/carrier": "globex", "Local/601@globex;1": "globex", "Local/601@globex;2": "globex",
}  # fmt: skip
TRUNK = "PJSIP/carrier"


def short(name: str) -> str:
    return re.sub(r"-[0-9a-f]{8}", "", name)


def owners(whose: Whose, channels: Sequence[Channel]) -> dict[str, str]:
    found = whose.channels(channels)
    return {short(one.name): found[one.unique_id].removesuffix(f".{RESELLER}") for one in channels}


def without_codes(channels: Sequence[Channel]) -> list[Channel]:
    return [replace(one, account_code="") for one in channels]


def names_alone(channels: Sequence[Channel]) -> list[Channel]:
    return [replace(one, account_code="", context="") for one in channels]


@pytest.mark.parametrize("version", VERSIONS)
def test_all_14_channels_of_a_mixed_call_are_their_account_codes_tenants(
    version: str, tenants: TenantTree
) -> None:
    channels = parse_channels(items(version, "CoreShowChannels"))
    whose = Whose(tenants)
    assert {short(one.name): whose.channel(one) for one in channels} == {
        name: domain(owner) for name, owner in MIXED.items()
    }
    assert owners(whose, channels) == MIXED


@pytest.mark.parametrize("version", VERSIONS)
def test_without_account_codes_a_channels_context_tells_and_the_trunk_is_its_calls(version: str) -> None:
    channels = without_codes(parse_channels(items(version, "CoreShowChannels")))
    whose = Whose(tree(*(tenant(name, contexts=[name]) for name in ("acme", "bd", "globex"))))
    assert owners(whose, channels) == MIXED
    assert [short(one.name) for one in channels if not whose.channel(one)] == [TRUNK]


@pytest.mark.parametrize("version", VERSIONS)
def test_without_contexts_too_the_channels_name_tells(version: str) -> None:
    channels = names_alone(parse_channels(items(version, "CoreShowChannels")))
    whose = Whose(by_code("acme", "bd", "globex"), read_patterns(PATTERNS))
    assert owners(whose, channels) == MIXED
    assert [short(one.name) for one in channels if not whose.channel(one)] == [TRUNK]


@pytest.mark.parametrize("version", VERSIONS)
def test_without_anything_that_tells_every_channel_is_unknown(version: str, tenants: TenantTree) -> None:
    channels = names_alone(parse_channels(items(version, "CoreShowChannels")))
    assert set(owners(Whose(tenants), channels).values()) == {UNKNOWN_TENANT}


@pytest.mark.parametrize("version", VERSIONS)
def test_a_tenant_that_is_not_configured_is_unknown_and_nobody_elses(version: str) -> None:
    channels = parse_channels(items(version, "CoreShowChannels"))
    whose = Whose(by_code("acme", "glob"), read_patterns(PATTERNS))
    known = {name: owner if owner == "acme" else UNKNOWN_TENANT for name, owner in MIXED.items()}
    assert owners(whose, channels) == known


def test_an_inbound_call_by_the_trunk_is_the_tenants_whose_code_the_dialplan_set(tenants: TenantTree) -> None:
    channels = parse_channels(items("16.28.0", "CoreShowChannels-carrier-inbound"))
    assert owners(Whose(tenants), channels) == {TRUNK: "bd"}


@pytest.mark.parametrize("version", VERSIONS)
def test_a_trunk_leg_tells_its_tenant_from_the_new_account_code_on(version: str, tenants: TenantTree) -> None:
    whose = Whose(tenants)
    told: dict[str, list[tuple[str, str]]] = {}
    for block in blocks(version, "events/full-event-stream"):
        if block.get("Event") in ("Newchannel", "NewAccountCode") and (found := parse_channel(block)):
            told.setdefault(short(found.name), []).append((block["Event"], whose.channel(found)))
    globex = domain("globex")
    for name in (TRUNK, "Local/601@globex;1", "Local/601@globex;2"):
        assert told[name] == [("Newchannel", ""), ("NewAccountCode", globex)]
    assert told["PJSIP/globex-304"] == [("Newchannel", globex)]


# Which source goes first.

SOURCES: dict[str, Callable[[Channel, str], Channel]] = {
    "account code": lambda one, name: replace(one, account_code=name),
    "Tenantid": lambda one, name: replace(one, tenant_id=name),
    "context": lambda one, name: replace(one, context=f"from-{name}"),
    "name": lambda one, name: replace(one, name=f"PJSIP/{name}-101-00000001"),
}
PAIRS = list(itertools.combinations(SOURCES, 2))
FOUR = tree(*(tenant(name, [name], [f"from-{name}"]) for name in ("acme", "bd")))


@pytest.mark.parametrize(("first", "second"), PAIRS)
def test_the_first_source_that_tells_is_believed(first: str, second: str) -> None:
    whose = Whose(FOUR, read_patterns("{tenant}-*"))
    both = SOURCES[second](SOURCES[first](leg(), "acme"), "bd")
    assert whose.channel(both) == domain("acme")
    assert whose.channel(SOURCES[second](leg(), "bd")) == domain("bd")


@pytest.mark.parametrize(("first", "second"), PAIRS)
def test_a_source_that_stands_for_nobody_does_not_end_the_search(first: str, second: str) -> None:
    whose = Whose(FOUR, read_patterns("{tenant}-*"))
    assert whose.channel(SOURCES[second](SOURCES[first](leg(), "nobody"), "bd")) == domain("bd")


def test_a_channel_that_tells_nothing_is_nobodys() -> None:
    whose = Whose(FOUR, read_patterns("{tenant}-*"))
    assert whose.channel(leg()) == ""
    assert whose.channels([leg()]) == {"pbx-100.1": UNKNOWN_TENANT}
    assert whose.channels([]) == {}


def test_a_domain_in_any_spelling_tells_its_tenant() -> None:
    text, new = domain("acme").upper(), f"new.{RESELLER}"
    whose = Whose(FOUR)
    for one in (leg(code=text), leg(tenant_id=text), leg(context=text)):
        assert whose.channel(one) == domain("acme")
    for one in (leg(code=new), leg(tenant_id=new), leg(context=new)):
        assert whose.channel(one) == ""


def test_a_context_is_no_account_code_and_a_code_no_context() -> None:
    whose = Whose(tree(tenant("acme", codes=["one"]), tenant("bd", contexts=["one", "two"])))
    assert whose.channel(leg(code="one")) == domain("acme")
    assert whose.channel(leg(context="one")) == domain("bd")
    assert whose.channel(leg(code="two")) == ""
    assert whose.channel(leg(tenant_id="two")) == ""


# A channel's name.


@pytest.mark.parametrize(
    "name",
    [
        "PJSIP/acme-101-0000002a",
        "SIP/acme-101-0000002a",
        "IAX2/acme-101-1234",
        "SCCP/acme-101-00000001",
        "PJSIP/acme-beef-0000002a",
        "USTM/101@acme-0x7f53a00012c8",
        "Skinny/101@acme-1",
        "Local/601@acme-00000003;1",
        "Local/601@acme-00000003;2",
        "DAHDI/acme-1-1",
    ],
)
def test_a_name_is_matched_without_technology_and_serial(name: str) -> None:
    whose = Whose(by_code("acme", "bd"), read_patterns(PATTERNS))
    assert whose.channel(leg(name)) == domain("acme")


@pytest.mark.parametrize(
    ("name", "matched"),
    [
        ("PJSIP/acme-101-0000002a", "acme-101"),
        ("PJSIP/acme-101-0000002A<ZOMBIE>", "acme-101"),
        ("PJSIP/acme-101-0000002a<MASQ>", "acme-101"),
        ("IAX2/10.0.0.1:4569-77", "10.0.0.1:4569"),
        ("DAHDI/1-1", "1"),
        ("DAHDI/i1/5551234-1", "i1/5551234"),
        ("Local/601@from-x-00000003;1", "601@from-x"),
        ("USTM/101@acme-0x7f53a00012c8", "101@acme"),
        ("PJSIP/acme-north", "acme-north"),
    ],
)
def test_exactly_this_of_a_name_is_matched(name: str, matched: str) -> None:
    whose = Whose(tree(tenant("acme", codes=[matched])), read_patterns("{tenant}"))
    assert whose.channel(leg(name)) == domain("acme")


@pytest.mark.parametrize(
    "name",
    [
        "PJSIP/acmes-101-0000002a",
        "PJSIP/xacme-101-0000002a",
        "PJSIP/ACME-101-0000002a",
        "PJSIP/acme-0000002a",
        "Local/acme@default-00000003;1",
        "Local/601@acmes-00000003;1",
        "acme-101",
        "ast_msg_queue",
        "/",
        "",
        "-",
        "PJSIP/" + "acme-" * 15,
    ],
)
def test_a_name_that_is_only_like_a_tenants_is_nobodys(name: str) -> None:
    whose = Whose(by_code("acme"), read_patterns(PATTERNS))
    assert whose.channel(leg(name)) == ""


def test_a_local_channels_context_follows_its_at_sign() -> None:
    whose = Whose(tree(tenant("acme", contexts=["from-acme"]), tenant("bd", ["from-acme"])))
    assert whose.channel(leg("Local/601@from-acme-00000003;1")) == domain("acme")
    assert whose.channel(leg("Local/6@1@from-acme-00000003;1")) == domain("acme")
    assert whose.channel(leg("Local/from-acme-00000003;1")) == ""
    assert whose.channel(leg("PJSIP/601@from-acme-00000003")) == ""


def test_a_local_channels_context_goes_before_the_patterns() -> None:
    whose = Whose(
        tree(tenant("acme", contexts=["from-acme"]), tenant("bd", ["601"])), read_patterns("{tenant}@*")
    )
    assert whose.channel(leg("Local/601@from-acme-00000003;1")) == domain("acme")
    assert whose.channel(leg("Local/601@elsewhere-00000003;1")) == domain("bd")


# Names of queues, rooms, mailboxes, lots, endpoints.


def test_a_name_is_an_account_code_a_domain_a_context_or_what_a_pattern_finds() -> None:
    whose = Whose(
        tree(tenant("acme", ["77"], ["from-acme"]), tenant("bd", ["from-bd"])), read_patterns("{tenant}-*")
    )
    assert whose.name("77") == domain("acme")
    assert whose.name("from-acme") == domain("acme")
    assert whose.name(domain("acme").title()) == domain("acme")
    assert whose.name("77-support") == domain("acme")
    assert whose.name("from-acme-vm") == domain("acme")
    assert whose.name(f"{domain('bd')}-room") == domain("bd")
    assert whose.name("support-77") == ""


def test_the_whole_name_goes_before_a_part_of_it() -> None:
    whose = Whose(by_code("acme", "acme-corp"), read_patterns("{tenant}-*"))
    assert whose.name("acme-corp") == domain("acme-corp")
    assert Whose(
        tree(tenant("acme", ["acme"]), tenant("bd", contexts=["acme-corp"])), read_patterns("{tenant}-*")
    ).name("acme-corp") == domain("bd")


@pytest.mark.parametrize("text", ["", " ", "\0", "\ud800", "-", "@", "*", "{tenant}", "x" * 1_000_000, "٣-1"])
def test_odd_names_are_nobodys(text: str) -> None:
    whose = Whose(by_code("acme"), read_patterns(PATTERNS))
    assert whose.name(text) == ""
    assert whose.channel(leg(text[:MAX_NAME], text[:MAX_NAME], text[:MAX_NAME], text[:MAX_NAME])) == ""


def test_a_long_domain_is_a_name_and_a_long_name_matches_no_pattern() -> None:
    long = ".".join(["a" * 60] * 3)
    whose = Whose(
        tree(Tenant(f"{long}.{RESELLER}", RESELLER, Level.CLIENT, "long"), tenant("acme", ["acme"])),
        read_patterns("{tenant}-*"),
    )
    assert whose.name(f"{long}.{RESELLER}") == f"{long}.{RESELLER}"
    assert whose.name("acme-" + "x" * (MAX_NAME - 5)) == domain("acme")
    assert whose.name("acme-" + "x" * (MAX_NAME - 4)) == ""


# Patterns.


@pytest.mark.parametrize(
    ("pattern", "name", "found"),
    [
        ("{tenant}-*", "acme-corp-101", ["acme-corp", "acme"]),
        ("{tenant}-*", "acme-", ["acme"]),
        ("{tenant}-*", "-101", []),
        ("{tenant}-*", "acme", []),
        ("{tenant}", "acme", ["acme"]),
        ("{tenant}", "", []),
        ("*@{tenant}", "601@acme", ["acme"]),
        ("*@{tenant}", "@acme", ["acme"]),
        ("*@{tenant}", "6@1@acme", ["1@acme", "acme"]),
        ("*@{tenant}", "601@", []),
        ("q_{tenant}", "q_acme", ["acme"]),
        ("q_{tenant}_x", "q_x", []),
        ("*-{tenant}-*", "a-bc-d-e", ["bc-d", "bc", "d"]),
        ("*-*-{tenant}", "a-b-acme", ["acme"]),
        ("*-*-{tenant}", "b-acme", []),
        ("{tenant}-*-*", "acme-b-c-d", ["acme-b", "acme"]),
        ("{tenant}-*q*", "acme-xqy", ["acme"]),
        ("{tenant}-*q*", "acme-xy", []),
        ("{tenant}*", "ab", ["ab", "a"]),
        ("*{tenant}", "ab", ["ab", "b"]),
        ("room*{tenant}", "room7", ["7"]),
        ("{tenant}.+", "a.+", ["a"]),
        ("{tenant}.+", "abcd", []),
    ],
)  # fmt: skip
def test_a_pattern_finds_the_longest_text_first(pattern: str, name: str, found: list[str]) -> None:
    (one,) = read_patterns(pattern)
    assert list(one.tenants(name)) == found


def test_shorter_texts_are_tried_until_one_is_a_tenant() -> None:
    patterns = read_patterns("{tenant}-*")
    assert Whose(by_code("acme", "acme-corp"), patterns).name("acme-corp-101") == domain("acme-corp")
    assert Whose(by_code("acme"), patterns).name("acme-corp-101") == domain("acme")
    assert Whose(by_code("corp"), patterns).name("acme-corp-101") == ""


def test_patterns_are_tried_in_their_order_and_codes_before_contexts() -> None:
    tenants = tree(tenant("acme", ["a"]), tenant("bd", ["b"], ["a"]))
    assert Whose(tenants, read_patterns("{tenant}-*\n*-{tenant}")).name("a-b") == domain("acme")
    assert Whose(tenants, read_patterns("*-{tenant}\n{tenant}-*")).name("a-b") == domain("bd")


def test_a_node_without_patterns_has_none() -> None:
    assert read_patterns("") == ()


def glob(parts: Sequence[str]) -> re.Pattern[str]:
    return re.compile(".*".join(map(re.escape, parts)), re.DOTALL)


sides = st.lists(st.text("a-", max_size=2), min_size=1, max_size=4).map(tuple)


@given(sides, sides, st.text("a-b", max_size=10))
def test_a_pattern_finds_just_what_a_search_through_all_parts_of_a_name_finds(
    before: tuple[str, ...], after: tuple[str, ...], name: str
) -> None:
    found = list(NamePattern(before, after).tenants(name))
    places = itertools.combinations(range(len(name) + 1), 2)
    every = [
        name[start:end]
        for start, end in places
        if glob(before).fullmatch(name[:start]) and glob(after).fullmatch(name[end:])
    ]
    assert sorted(found) == sorted(every)
    assert [len(text) for text in found] == sorted(map(len, every), reverse=True)


@given(sides, sides, st.text(max_size=MAX_NAME) | st.text("a-", min_size=60, max_size=MAX_NAME))
def test_no_name_makes_a_pattern_try_more_than_a_hundred_texts(
    before: tuple[str, ...], after: tuple[str, ...], name: str
) -> None:
    texts = list(NamePattern(before, after).tenants(name))
    assert len(texts) <= 100
    assert all(text and text in name for text in texts)


@given(
    st.builds(leg, *[st.text(max_size=90) | st.sampled_from(["acme", "bd", "PJSIP/acme-1-1"])] * 6),
    st.text(max_size=300),
)
def test_whatever_a_server_says_is_a_tenants_or_nobodys(channel: Channel, name: str) -> None:
    whose = Whose(by_code("acme", "bd"), read_patterns("{tenant}-*\n*@{tenant}\n*-{tenant}-*"))
    everybody = {domain("acme"), domain("bd"), TOP, RESELLER}
    assert {whose.channel(channel), whose.name(name)} <= everybody | {""}
    assert set(whose.channels([channel]).values()) <= everybody | {UNKNOWN_TENANT}


# Legs of one call.


def test_in_a_call_between_two_tenants_each_leg_is_its_own() -> None:
    caller, called = leg(code="acme"), leg(code="bd", own="pbx-100.2")
    assert owned(caller, called) == ["acme", "bd"]


def owned(*legs: Channel) -> list[str]:
    """Return whose the legs are, whatever order they are listed in."""
    whose = Whose(by_code("acme", "bd", "globex"))
    found = whose.channels(legs)
    for order in itertools.permutations(legs):
        assert whose.channels(order) == found, "the order of a list decides"
    return [found[one.unique_id].removesuffix(f".{RESELLER}") for one in legs]


def test_a_trunk_leg_is_that_of_the_caller_and_not_of_another_party() -> None:
    trunk = leg("PJSIP/carrier-00000003", own="pbx-100.2")
    assert owned(leg(code="bd"), trunk, leg(code="acme", own="pbx-100.3")) == ["bd", "bd", "acme"]


def test_an_inbound_trunk_leg_is_the_tenants_whose_phone_it_rings() -> None:
    trunk = leg("PJSIP/carrier-00000003")
    assert owned(trunk) == [UNKNOWN_TENANT]
    assert owned(trunk, leg(code="bd", own="pbx-100.2")) == ["bd", "bd"]


def test_of_several_that_tell_the_oldest_does() -> None:
    trunk = leg("PJSIP/carrier-00000003")
    ninth, tenth = leg(code="bd", own="pbx-100.9"), leg(code="acme", own="pbx-100.10")
    later = leg(code="globex", own="pbx-101.2")
    assert owned(tenth, later, trunk, ninth) == ["acme", "globex", "bd", "bd"]


def test_ids_that_an_originator_has_chosen_come_last() -> None:
    trunk = leg("PJSIP/carrier-00000003", call="mine", own="mine-trunk")
    chosen, given_one = leg(code="acme", call="mine", own="a"), leg(code="bd", call="mine", own="pbx-100.7")
    assert owned(trunk, chosen, given_one) == ["bd", "acme", "bd"]
    assert owned(trunk, chosen, replace(chosen, unique_id="b", account_code="globex")) == [
        "acme", "acme", "globex",
    ]  # fmt: skip
    assert owned(trunk, given_one, replace(chosen, unique_id="mine")) == ["acme", "bd", "acme"]


def test_a_local_half_tells_whose_the_call_is() -> None:
    trunk = leg("PJSIP/carrier-00000003")
    half = leg("Local/601@acme.ntek.clusterpbx.example-00000003;1", own="pbx-100.2")
    assert half.internal
    assert owned(trunk, half) == ["acme", "acme"]


def test_legs_of_other_calls_tell_nothing() -> None:
    trunk = leg("PJSIP/carrier-00000003")
    assert owned(trunk, leg(code="bd", own="pbx-100.2", call="pbx-100.2")) == [UNKNOWN_TENANT, "bd"]


def test_calls_that_a_transfer_joins_are_one_call_and_keep_their_own_legs() -> None:
    """Attended: bd's phone had two calls and leaves both; the legs that stay get the older Linkedid."""
    customer = leg("PJSIP/carrier-00000001", own="pbx-100.1")
    first, second = leg(code="bd", own="pbx-100.2"), leg(code="bd", own="pbx-100.5", call="pbx-100.5")
    outside = leg("PJSIP/carrier-00000006", own="pbx-100.6", call="pbx-100.5")
    assert owned(customer, first, second, outside) == ["bd"] * 4
    assert owned(customer, replace(outside, linked_id="pbx-100.1")) == [UNKNOWN_TENANT] * 2
    target = leg(code="acme", own="pbx-100.7", call="pbx-100.1")
    assert owned(customer, replace(outside, linked_id="pbx-100.1"), target) == ["acme"] * 3


@pytest.mark.parametrize("version", VERSIONS)
@given(data=st.data())
def test_the_order_of_the_list_decides_nothing(version: str, data: st.DataObject) -> None:
    channels = parse_channels(items(version, "CoreShowChannels"))
    silent = data.draw(st.sets(st.sampled_from(sorted(MIXED))))
    some = [replace(one, account_code="") if short(one.name) in silent else one for one in channels]
    whose = Whose(by_code("acme", "bd", "globex"))
    found = whose.channels(some)
    assert whose.channels(data.draw(st.permutations(some))) == found
    for one in some:
        assert found[one.unique_id] in (domain(MIXED[short(one.name)]), UNKNOWN_TENANT)


# Asked thousands of times a second, while tenants come and go.


def test_what_was_asked_before_is_not_looked_up_again() -> None:
    lookup = Counting(by_code("acme"))
    whose = Whose(lookup, read_patterns(PATTERNS))
    asks = [leg(code="acme"), leg(code="nobody", context="default"), leg("PJSIP/acme-1-00000001")]
    first = [whose.channel(one) for one in asks], whose.name("acme-room"), whose.name("lobby")
    asked = lookup.asked
    assert asked
    again = [replace(one, name=one.name[:-1] + "2") for one in asks]  # other calls of the same phones
    assert ([whose.channel(one) for one in again], whose.name("acme-room"), whose.name("lobby")) == first
    assert lookup.asked == asked
    assert first == ([domain("acme"), "", domain("acme")], domain("acme"), "")


def test_what_is_remembered_is_bounded() -> None:
    lookup = Counting(by_code("acme"))
    whose = Whose(lookup)
    assert whose.channel(leg(code="acme")) == domain("acme")
    for number in range(10_000):
        whose.name(f"room-{number}")
        whose.channel(leg(code=f"code{number}"))
    asked = lookup.asked
    assert whose.channel(leg(code="acme")) == domain("acme")
    assert lookup.asked == asked + 1


async def test_a_tenant_is_found_as_soon_as_it_is_discovered_and_gone_with_it() -> None:
    directory = TenantDirectory(by_code("acme"))
    whose = Whose(directory, read_patterns("*@{tenant}"))
    new = leg(code=domain("new"))
    names = [f"101@{domain('new')}", domain("new")]

    def told() -> set[str]:
        return {whose.channel(new), *whose.channels([new]).values(), *map(whose.name, names)}

    assert told() == {"", UNKNOWN_TENANT}
    await directory.discover([domain("new")])
    assert told() == {domain("new")}
    await directory.discover([])
    assert told() == {"", UNKNOWN_TENANT}
    assert whose.channel(leg(code="acme")) == domain("acme")
