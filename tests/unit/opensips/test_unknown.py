"""What is counted of nobody in particular, while tenants come and go."""

from collections.abc import Mapping
from typing import Final

from hypothesis import given
from hypothesis import strategies as st

from collectors.opensips.metrics import samples
from collectors.opensips.parse import OpensipsSnapshot
from collectors.opensips.unknown import Unknown
from dialtone.config import TenantDirectory, TenantTree
from dialtone.model import Kind, Level, Sample, Tenant
from tests.fakes.alerts import NOON

PLATFORM: Final = Tenant("example.net", None, Level.PLATFORM, "Platform")
HOSTS: Final = ("a.example.net", "b.example.net", "c.example.net")


class Front:
    """A server whose script counts INVITEs and challenges by domain, and who reads it."""

    def __init__(self) -> None:
        self.counted = dict.fromkeys(HOSTS, 0)
        self.directory = TenantDirectory(TenantTree(PLATFORM, []))
        self._unknown = Unknown()

    def _snapshot(self) -> OpensipsSnapshot:
        events = ("invites", "challenges")
        values = {f"tenants:{host}_{e}": float(n) for host, n in self.counted.items() for e in events}
        return OpensipsSnapshot("3.6.8", values, None, kinds=dict.fromkeys(values, Kind.COUNTER))

    def poll(self, *, restarted: bool = False, counted: bool = True) -> Mapping[str, float]:
        """Return challenges by tenant; all that is said of `_unknown` is said of INVITEs too.

        `counted` is whether the server tells what is counted of tenants.
        """
        if restarted:
            self._unknown.forget()
        tenants = self.directory.fixed()
        snapshot = self._snapshot() if counted else OpensipsSnapshot("3.6.8", {}, None)

        def among(others: object) -> tuple[Sample, ...]:
            assert isinstance(others, TenantTree)
            return samples("sip1", snapshot, others, NOON)

        found = self._unknown.steadied(among(tenants), tenants, counted=counted, among=among)
        attempted = {s.labels[1]: s.value for s in found if s.labels[3:] == ("attempted",)}
        events = {s.labels[1]: s.value for s in found if s.labels[3:] == ("challenges",)}
        assert events == attempted
        return events


async def test_a_tenant_that_appears_takes_nothing_out_of_what_was_counted_of_nobody() -> None:
    front = Front()
    front.counted = dict(zip(HOSTS, (100, 20, 3), strict=True))
    assert front.poll() == {"_unknown": 123}
    await front.directory.discover([HOSTS[0]])
    front.counted[HOSTS[0]] += 5
    front.counted[HOSTS[1]] += 1
    # Whose the five are is known from this poll on; the one is nobody's.
    assert front.poll() == {HOSTS[0]: 105, "_unknown": 129}
    front.counted[HOSTS[0]] += 50
    front.counted[HOSTS[1]] += 1
    assert front.poll() == {HOSTS[0]: 155, "_unknown": 130}


async def test_a_tenant_that_disappears_does_not_count_again_as_nobody() -> None:
    front = Front()
    await front.directory.discover([HOSTS[0]])
    front.counted = dict(zip(HOSTS, (1000, 20, 3), strict=True))
    assert front.poll()["_unknown"] == 23
    await front.directory.discover([])
    assert front.poll() == {"_unknown": 23}
    front.counted[HOSTS[0]] += 4  # its traffic is nobody's now
    assert front.poll() == {"_unknown": 27}


async def test_after_a_restart_of_the_server_all_begins_anew() -> None:
    front = Front()
    front.counted = dict(zip(HOSTS, (100, 20, 3), strict=True))
    front.poll()
    await front.directory.discover([HOSTS[0]])
    assert front.poll()["_unknown"] == 123
    front.counted = dict(zip(HOSTS, (1, 2, 3), strict=True))
    assert front.poll(restarted=True) == {HOSTS[0]: 1, "_unknown": 5}
    await front.directory.discover([])
    assert front.poll(restarted=True) == {"_unknown": 6}


async def test_statistics_that_an_operator_resets_show_no_negative_count() -> None:
    front = Front()
    await front.directory.discover([HOSTS[0]])
    front.counted = dict(zip(HOSTS, (1000, 20, 3), strict=True))
    front.poll()
    await front.directory.discover([])
    assert front.poll() == {"_unknown": 23}
    front.counted = dict.fromkeys(HOSTS, 0)
    assert front.poll() == {"_unknown": 0}
    front.counted[HOSTS[2]] = 7
    assert front.poll() == {"_unknown": 7}


async def test_tenants_that_change_while_their_group_cannot_be_read_are_compared_when_it_can() -> None:
    front = Front()
    front.counted = dict(zip(HOSTS, (100, 20, 3), strict=True))
    assert front.poll() == {"_unknown": 123}
    await front.directory.discover([HOSTS[0]])
    assert front.poll(counted=False) == {}
    await front.directory.discover(HOSTS[:2])
    assert front.poll(counted=False) == {}
    front.counted[HOSTS[2]] += 4
    assert front.poll() == {HOSTS[0]: 100, HOSTS[1]: 20, "_unknown": 127}
    front.counted[HOSTS[2]] += 1
    assert front.poll()["_unknown"] == 128


def test_without_a_change_the_samples_are_those_that_were_made() -> None:
    unknown, tree = Unknown(), TenantTree(PLATFORM, [])
    found = (Sample("opensips_tenant_events_total", ("sip1", "_unknown", "", "x"), 1.0, NOON),)
    for _ in range(2):
        assert unknown.steadied(found, tree, counted=True, among=lambda _: ()) is found


steps = st.tuples(st.frozensets(st.sampled_from(HOSTS)), st.lists(st.integers(0, 9), min_size=3, max_size=3))


@given(st.lists(steps, max_size=12))
async def test_whatever_comes_and_goes_nobodys_counter_grows_by_nobodys_traffic_and_never_falls(
    history: list[tuple[frozenset[str], list[int]]],
) -> None:
    front = Front()
    last = front.poll().get("_unknown", 0.0)
    known: frozenset[str] = frozenset()
    for tenants, grown in history:
        for host, more in zip(HOSTS, grown, strict=True):
            front.counted[host] += more
        before, known = known, tenants
        await front.directory.discover(tenants)
        # What came in the interval of the change is still counted by whose it was at its start.
        traffic = sum(more for host, more in zip(HOSTS, grown, strict=True) if host not in before)
        now = front.poll().get("_unknown")
        if now is None:  # every domain is somebody's
            assert known == set(HOSTS)
            last += traffic
            continue
        assert now == last + traffic
        last = now
