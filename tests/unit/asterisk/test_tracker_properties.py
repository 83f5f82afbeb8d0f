"""Calls of a made-up Asterisk, at random, heard late and seen by snapshots of any moment."""

from collections import Counter
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from collectors.asterisk.parse import Channel, parse_channels
from collectors.asterisk.tracker import Tracker
from collectors.asterisk.whose import Whose
from collectors.asterisk.wire import Block
from dialtone.config.tree import TenantTree
from dialtone.model import Level, Tenant
from tests.unit.asterisk.conftest import RESELLER, whole

AT = datetime(2026, 3, 1, tzinfo=UTC)
CODES = ("acme", "bd", "globex")
TREE = TenantTree(
    Tenant("clusterpbx.example", None, Level.PLATFORM, "Platform"),
    [
        Tenant(RESELLER, "clusterpbx.example", Level.RESELLER, "NTEK"),
        *(Tenant(f"{c}.{RESELLER}", RESELLER, Level.CLIENT, c, account_codes=(c,)) for c in CODES),
    ],
)


@dataclass(frozen=True)
class Leg:
    """A channel as the server has it."""

    number: int
    linked: int
    state: str
    code: str
    driver: str

    def block(self) -> dict[str, str]:
        return whole(
            Channel=f"{self.driver}/{self.number:08x}",
            ChannelState=self.state,
            Uniqueid=f"pbx-1795390209.{self.number}",
            Linkedid=f"pbx-1795390209.{self.linked}",
            AccountCode=self.code,
        )


class Server:
    """Has calls, queues events of them, and remembers what became of each call."""

    def __init__(self) -> None:
        self.legs: dict[int, Leg] = {}
        self.queue: list[Block] = []
        self.born: dict[int, str] = {}
        self.up: set[int] = set()
        self.joined = 0
        self._next = 0

    def tell(self, name: str, leg: Leg, **more: str) -> None:
        self.queue.append({"Event": name, "Privilege": "call,all", **leg.block(), **more})

    def add(self, linked: int | None, state: str, code: str, driver: str = "PJSIP") -> Leg:
        self._next += 1
        leg = Leg(self._next, self._next if linked is None else linked, state, code, driver)
        self.legs[leg.number] = leg
        if driver == "PJSIP":
            self.born.setdefault(leg.linked, code)
        self.tell("Newchannel", leg)
        return leg

    def change(self, leg: Leg, name: str = "Newstate", **what: str) -> Leg:
        changed = self.legs[leg.number] = replace(leg, **what)  # type: ignore[arg-type]
        if changed.state == "6" and changed.driver == "PJSIP":
            self.up.add(changed.linked)
        self.tell(name, changed)
        return changed

    def end(self, leg: Leg) -> None:
        del self.legs[leg.number]
        self.tell("Hangup", leg, Cause="17")

    def call(self, pick: int) -> None:
        self.add(None, "4", CODES[pick % len(CODES)])

    def trunk(self, pick: int) -> None:
        self.add(None, "4", "")

    def code(self, pick: int) -> None:
        bare = [leg for leg in self.legs.values() if not leg.code]
        if bare:
            self.change(bare[pick % len(bare)], "NewAccountCode", code=CODES[pick % len(CODES)])

    def recode(self, pick: int) -> None:
        if leg := self.any(pick):
            self.change(leg, "NewAccountCode", code=CODES[pick % len(CODES)])

    def dial(self, pick: int) -> None:
        if leg := self.any(pick):
            self.add(leg.linked, "0", CODES[pick % len(CODES)] if pick % 5 else "")

    def local(self, pick: int) -> None:
        if leg := self.any(pick):
            for state in "04":
                self.add(leg.linked, state, leg.code, "Local")

    def ring(self, pick: int) -> None:
        down = [leg for leg in self.legs.values() if leg.state == "0"]
        if down:
            self.change(down[pick % len(down)], state="5")

    def answer(self, pick: int) -> None:
        early = [leg for leg in self.legs.values() if leg.state != "6"]
        if early:
            self.change(early[pick % len(early)], state="6")

    def hangup(self, pick: int) -> None:
        if leg := self.any(pick):
            self.end(leg)

    def finish(self, pick: int) -> None:
        if leg := self.any(pick):
            for other in [other for other in self.legs.values() if other.linked == leg.linked]:
                self.end(other)

    def join(self, pick: int) -> None:
        """Have two calls share the older one's Linkedid; not every leg tells of it at once."""
        calls = sorted({leg.linked for leg in self.legs.values() if leg.driver == "PJSIP"})
        if len(calls) < 2:
            return
        older, newer = calls[pick % (len(calls) - 1)], calls[-1]
        self.joined += 1
        for leg in list(self.legs.values()):
            if leg.linked == newer:
                moved = self.legs[leg.number] = replace(leg, linked=older)
                if pick % 2:
                    self.tell("BridgeEnter", moved)

    def any(self, pick: int) -> Leg | None:
        legs = list(self.legs.values())
        return legs[pick % len(legs)] if legs else None


class Play:
    """A server, its tracker, and the line between them."""

    def __init__(self) -> None:
        self.server, self.tracker = Server(), Tracker(Whose(TREE))
        self.now = 0.0
        self.lost = False
        self.snapshot: list[Leg] | None = None
        self.anew = False
        self.must = 0
        self.before: Counter[tuple[str, ...]] = Counter()
        self.told_before: dict[Channel, Channel] = {}
        self.tracker.resync((), self.now, anew=True)

    def step(self, action: str, pick: int) -> None:
        self.now += pick / 100
        if action == "hear":
            self.hear(pick % 7)
        elif action == "ask":
            self.ask()
        elif action == "see":
            self.see()
        elif action == "lose":
            self.lose()
        else:
            getattr(self.server, action)(pick)
            if self.lost:
                self.server.queue.clear()
        self.check()

    def hear(self, count: int) -> None:
        for event in self.server.queue[:count]:
            self.tracker.hear(event, self.now)
        del self.server.queue[:count]
        self.must = max(0, self.must - count)

    def ask(self) -> None:
        """The server makes the list; it comes when the next `see` does."""
        if self.lost:
            self.lost, self.anew = False, True
            self.tracker.connected()
        if self.snapshot is None:
            self.hear(self.must)  # what waited when the list before was made has come by now
            self.must = len(self.server.queue)
            self.snapshot = list(self.server.legs.values())

    def see(self) -> None:
        if self.snapshot is not None:
            # What says what it said is the same object, as Recall has it.
            told = parse_channels(leg.block() for leg in self.snapshot)
            channels = [self.told_before.setdefault(channel, channel) for channel in told]
            self.tracker.resync(channels, self.now, anew=self.anew)
            self.snapshot, self.anew = None, False

    def lose(self) -> None:
        self.server.queue.clear()
        self.snapshot, self.lost, self.anew, self.must = None, True, False, 0

    def close(self) -> None:
        """Everything ends, and is heard; then two lists more."""
        for leg in list(self.server.legs.values()):
            self.server.end(leg)
        if self.lost:
            self.server.queue.clear()
        self.ask()
        self.see()
        self.hear(len(self.server.queue))
        for _ in range(3):
            self.ask()
            self.see()
        self.check()

    def counts(self) -> Counter[tuple[str, ...]]:
        """Return all counters: what, whose, and by which cause; not a tenant's first, which are all 0."""
        list(self.tracker.samples("pbx1", TREE, AT))
        list(self.tracker.spreads("pbx1", TREE, AT))
        found: Counter[tuple[str, ...]] = Counter()
        for sample in self.tracker.samples("pbx1", TREE, AT):
            if sample.metric.endswith("_total"):
                name = sample.metric.removeprefix("asterisk_tenant_calls_").removesuffix("_total")
                found[name, sample.labels[1]] += int(sample.value)
        for spread in self.tracker.spreads("pbx1", TREE, AT):
            assert spread.total >= 0
            found[spread.metric, spread.labels[1]] += sum(spread.counts)
        return found

    def check(self) -> None:
        """Hold what holds at any moment."""
        counts = self.counts()
        waiting = self.tracker.waiting
        for domain in {key[1] for key in counts}:
            # The rest of the calls that began were joined to others before they were answered.
            known = sum(counts[what, domain] for what in ("answered", "failed", "unseen")) + waiting[domain]
            counts["joined", domain] = counts["started", domain] - known
        assert all(counts[key] >= value for key, value in self.before.items()), "a counter fell"
        self.before = counts
        for domain in {key[1] for key in counts}:
            assert counts["joined", domain] >= 0
            assert counts["answered", domain] >= counts["asterisk_tenant_call_duration_seconds", domain]
        assert sum(waiting.values()) <= self.total("started")
        assert self.total("joined") <= self.server.joined
        assert self.total("started") <= len(self.server.born), "a call was counted twice"
        node, by_tenant = self.tracker.take_peaks()
        assert node >= 0
        assert all(peak > 0 for peak in by_tenant.values())

    def total(self, name: str) -> int:
        return sum(count for (what, _), count in self.before.items() if what == name)


CALLS = ("call", "call", "dial", "dial", "local", "ring", "answer", "answer", "hangup", "finish")
LINE = ("hear", "hear", "hear", "ask", "see")


def steps(*actions: str) -> st.SearchStrategy[list[tuple[str, int]]]:
    return st.lists(st.tuples(st.sampled_from(actions), st.integers(0, 99)), max_size=120)


relaxed = settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))


@relaxed
@given(steps(*CALLS, *LINE))
def test_without_losses_every_call_is_counted_exactly_for_its_tenant(walk: list[tuple[str, int]]) -> None:
    play = Play()
    for action, pick in walk:
        play.step(action, pick)
    play.close()
    assert play.tracker.held == 0
    server, counts = play.server, play.before
    for code in CODES:
        domain = f"{code}.{RESELLER}"
        begun = {linked for linked, whose in server.born.items() if whose == code}
        answered = len(begun & server.up)
        assert counts["started", domain] == len(begun)
        assert counts["answered", domain] == answered
        assert counts["asterisk_tenant_call_duration_seconds", domain] == answered
        assert counts["failed", domain] == len(begun) - answered
    assert play.total("unseen") == 0
    assert not play.tracker.missing


@relaxed
@given(steps(*CALLS, "trunk", "code", "recode", "join", "join", *LINE))
def test_without_losses_joined_calls_and_trunks_calls_are_neither_lost_nor_doubled(
    walk: list[tuple[str, int]],
) -> None:
    play = Play()
    for action, pick in walk:
        play.step(action, pick)
    play.close()
    assert play.tracker.held == 0
    # Of two calls that are joined before either's first event has come, a snapshot knows one.
    born, joined = len(play.server.born), play.server.joined
    assert born - joined <= play.total("started") <= born
    assert play.total("unseen") == 0
    assert play.total("joined") <= joined


@relaxed
@given(steps(*CALLS, "trunk", "code", "recode", "join", "lose", *LINE, "ask", "see"))
def test_with_lost_connections_nothing_is_doubled_and_nothing_stays(walk: list[tuple[str, int]]) -> None:
    play = Play()
    for action, pick in walk:
        play.step(action, pick)
    play.close()
    assert play.tracker.held == 0
    assert play.tracker.take_peaks() == (0, {}) or play.tracker.take_peaks() == (0, {})
    if not play.server.joined:
        ended = sum(play.total(name) for name in ("answered", "failed", "unseen"))
        assert play.total("started") == ended
        assert play.total("answered") <= len(play.server.up)


@relaxed
@given(steps(*CALLS, "trunk", "join", "ask", "see"))
def test_a_server_that_tells_no_events_leaves_nothing_behind_either(walk: list[tuple[str, int]]) -> None:
    play = Play()
    for action, pick in walk:
        play.step(action, pick)
        play.server.queue.clear()
        play.must = 0
    play.server.legs.clear()
    for _ in range(4):
        play.ask()
        play.see()
    assert play.tracker.held == 0
    assert play.total("failed") == 0
