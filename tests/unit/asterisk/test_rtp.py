"""RTCP events as histograms: what is counted, for whom, and what is not."""

import math
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.asterisk.parse import Channel
from collectors.asterisk.rtp import FORGET_AFTER, MAX_LEGS, MAX_STREAMS, METRICS, RtpQuality
from collectors.asterisk.wire import Block
from dialtone.config.tree import TenantTree
from dialtone.model import UNKNOWN_TENANT, Catalog, Level, Spread, Tenant
from dialtone.quality import G711_PLC, OPUS, delay_of, mos
from tests.unit.asterisk.conftest import RESELLER, VERSIONS, blocks, event_of

AT: Final = datetime(2026, 3, 1, 12, tzinfo=UTC)
BEST: Final = 1 + 0.035 * 93.2 + 93.2 * 33.2 * 6.8 * 7e-6
"""The score of a call without loss, by hand."""

WHOSE: Final = ("node", "tenant", "reseller")
TENANTLESS: Final = TenantTree(Tenant("clusterpbx.example", None, Level.PLATFORM, "Platform"), ())
LOSS, JITTER, SCORE, ROUND_TRIP = "loss_ratio", "jitter_seconds", "mos", "round_trip_seconds"
Shown = Mapping[tuple[str, ...], tuple[tuple[int, ...], float]]


def owner(channel: Channel) -> str:
    return f"{channel.account_code}.{RESELLER}" if channel.account_code else UNKNOWN_TENANT


def client(name: str) -> str:
    return f"{name}.{RESELLER}"


def shown(quality: RtpQuality, tenants: TenantTree, of: str = "acme") -> Shown:
    """Return a tenant's histograms by metric and direction: counts and sum; not the first, empty ones."""
    list(quality.spreads("pbx1", tenants, AT))
    domain = of if of == UNKNOWN_TENANT else client(of)
    found = {}
    for metric, (node, tenant, reseller, *direction), counts, total, at in quality.spreads(
        "pbx1", tenants, AT
    ):
        assert (node, reseller, at) == ("pbx1", "" if tenant == UNKNOWN_TENANT else RESELLER, AT)
        if tenant == domain:
            key = (metric.removeprefix("asterisk_tenant_rtp_"), *direction)
            assert key not in found
            found[key] = counts, total
    return found


def numbers(quality: RtpQuality, tenants: TenantTree, metric: str, of: str = "acme") -> dict[str, int]:
    """Return how many reports a tenant's histogram has by direction, `` where it has none."""
    return {
        "".join(direction): sum(counts)
        for (name, *direction), (counts, _) in shown(quality, tenants, of).items()
        if name == metric
    }


def event(name: str = "RTCPReceived", /, **changes: str | None) -> Block:
    """Return an event with one report on 10 ms of jitter and no loss; None leaves a header out."""
    headers: dict[str, str | None] = {
        **event_of(name),
        "Channel": "PJSIP/acme-101-00000001",
        "ChannelState": "6",
        "AccountCode": "acme",
        "Uniqueid": "pbx-1.1",
        "Linkedid": "pbx-1.1",
        "RTT": "0.0800" if name == "RTCPReceived" else None,
        "SSRC": "0x0000aaaa" if name == "RTCPSent" else "0xeeadfa24",
        "PT": "200(SR)",
        "ReportCount": "1",
        "Report0SourceSSRC": "0x0000bbbb" if name == "RTCPSent" else "0x0000aaaa",
        "Report0FractionLost": "0",
        "Report0IAJitter": "80",
        "Report0LSR": "4196692177",
        **changes,
    }
    return {key: value for key, value in headers.items() if value is not None}


def sender(name: str, seconds: float, timestamp: int, /, **changes: str | None) -> Block:
    """Return an event with a sender report of that moment."""
    told = {"SentNTP": f"{1_795_390_000 + seconds:.6f}", "SentRTP": str(timestamp)}
    return event(name, **{**told, **changes})


def heard(*events: Block) -> RtpQuality:
    quality = RtpQuality(owner)
    for number, one in enumerate(events):
        quality.hear(one, float(number))
    return quality


def jitter_of(quality: RtpQuality, tenants: TenantTree, direction: str = "sent") -> float:
    return shown(quality, tenants)[JITTER, direction][1]


def test_the_table_keeps_to_the_conventions() -> None:
    assert len(Catalog(METRICS)) == len(METRICS) == 4
    assert all(len(metric.buckets) <= 8 and metric.labels[:3] == WHOSE for metric in METRICS)


def test_asterisks_own_reports_are_on_what_it_received(tenants: TenantTree) -> None:
    """Recorded: acme's first leg lost 10/256 at a jitter of 76/8000 s, three others nothing at 2/8000 s."""
    found = shown(heard(*blocks("16.28.0", "events/RTCPSent")), tenants)
    assert found[LOSS, "received"] == ((3, 0, 0, 1, 0, 0), 10 / 256)
    counts, total = found[JITTER, "received"]
    assert counts == (3, 1, 0, 0, 0, 0)
    assert total == pytest.approx((76 + 3 * 2) / 8000)
    counts, total = found[SCORE, "received"]
    assert counts == (0, 0, 0, 0, 1, 3)  # R is 93.2 - 95 * 3.90625 / 29.00625 = 80.41
    assert total == pytest.approx(4.0393 + 3 * BEST, abs=0.0001)
    assert {found[name, "sent"] for name in (LOSS, JITTER, SCORE)} == {((0,) * 6, 0.0)}
    assert found[ROUND_TRIP,] == ((0,) * 6, 0.0)


def test_the_far_ends_reports_are_on_what_was_sent(tenants: TenantTree) -> None:
    """Recorded: one of acme's four lost 12/256, all have a jitter of 80/8000 s, no round trip is known."""
    found = shown(heard(*blocks("22.10.1", "events/RTCPReceived")), tenants)
    assert found[LOSS, "sent"] == ((3, 0, 0, 1, 0, 0), 12 / 256)
    assert found[JITTER, "sent"] == ((0, 4, 0, 0, 0, 0), 0.04)
    counts, total = found[SCORE, "sent"]
    assert counts == (0, 0, 0, 1, 0, 3)  # R is 93.2 - 95 * 4.6875 / 29.7875 = 78.25
    assert total == pytest.approx(3.9562 + 3 * BEST, abs=0.0001)
    assert {found[name, "received"] for name in (LOSS, JITTER, SCORE)} == {((0,) * 6, 0.0)}
    assert found[ROUND_TRIP,] == ((0,) * 6, 0.0)


@pytest.mark.parametrize(
    ("version", "reports", "lossy", "losses", "jitters", "trips"),
    [
        (
            "16.28.0",
            {"acme": (14, 19), "bd": (16, 20), "globex": (12, 14)},
            {"received": (10, 0, 0, 1, 3, 0), "sent": (14, 0, 0, 5, 0, 0)},
            (53, 60),
            (335, 1520),
            {"acme": (11, 0.0023), "bd": (16, 0.0024), "globex": (8, 0.0045)},
        ),
        (
            "22.10.1",
            {"acme": (14, 16), "bd": (16, 16), "globex": (12, 12)},
            {"received": (10, 0, 0, 4, 0, 0), "sent": (12, 0, 0, 4, 0, 0)},
            (45, 48),
            (291, 1280),
            {"acme": (9, 0.0019), "bd": (12, 0.0022), "globex": (6, 0.0029)},
        ),
    ],
)
def test_twenty_seconds_of_a_real_server_give_each_tenant_its_own_reports(
    version: str,
    reports: Mapping[str, tuple[int, int]],
    lossy: Mapping[str, tuple[int, ...]],
    losses: tuple[int, int],
    jitters: tuple[int, int],
    trips: Mapping[str, tuple[int, float]],
    tenants: TenantTree,
) -> None:
    """Counted in the recordings by other means. One event is without channel, and 22's last one is cut."""
    quality = heard(*blocks(version, "events/RTCP"))
    for name, (received, sent) in reports.items():
        for metric in (LOSS, JITTER, SCORE):
            assert numbers(quality, tenants, metric, name) == {"received": received, "sent": sent}
        found = shown(quality, tenants, name)
        assert sum(found[ROUND_TRIP,][0]) == trips[name][0]
        assert found[ROUND_TRIP,][1] == pytest.approx(trips[name][1])
    found = shown(quality, tenants)
    for direction, lost, jitter in zip(("received", "sent"), losses, jitters, strict=True):
        assert found[LOSS, direction] == (lossy[direction], lost / 256)
        assert found[JITTER, direction][1] == pytest.approx(jitter / 8000)
    assert shown(quality, tenants, UNKNOWN_TENANT) == shown(quality, tenants, "quiet") == {}


def test_the_score_takes_in_loss_jitter_and_half_the_round_trip(tenants: TenantTree) -> None:
    """20 ms packet, 100 ms buffer, 150 ms there: 270 ms; 5 of 100 lost."""
    quality = heard(event(RTT="0.3000", Report0IAJitter="400", Report0FractionLost="13"))
    assert delay_of(0.3, 0.05, G711_PLC) == pytest.approx(0.27)
    counts, total = shown(quality, tenants)[SCORE, "sent"]
    assert counts == (0, 0, 1, 0, 0, 0)
    assert total == pytest.approx(mos(G711_PLC, 13 / 256, 0.27))
    assert shown(quality, tenants)[ROUND_TRIP,] == ((0, 0, 0, 0, 1, 0), 0.3)


def test_what_asterisk_hears_is_scored_by_the_legs_last_round_trip(tenants: TenantTree) -> None:
    quality = heard(event("RTCPSent"), event(RTT="0.6000"), event("RTCPSent"))
    score = mos(G711_PLC, 0, delay_of(0.6, 0.01, G711_PLC))
    assert shown(quality, tenants)[SCORE, "received"][1] == pytest.approx(BEST + score)
    assert sum(shown(quality, tenants)[ROUND_TRIP,][0]) == 1


def test_another_legs_round_trip_is_not_this_ones(tenants: TenantTree) -> None:
    quality = heard(event(RTT="0.6000", Uniqueid="pbx-1.2"), event("RTCPSent"))
    assert shown(quality, tenants)[SCORE, "received"][1] == pytest.approx(BEST)


def test_a_round_trip_of_0_without_a_sender_report_is_not_known_and_with_one_it_is(
    tenants: TenantTree,
) -> None:
    unknown = heard(event(RTT="0.0000", Report0LSR="0"))
    assert sum(shown(unknown, tenants)[ROUND_TRIP,][0]) == 0
    assert numbers(unknown, tenants, LOSS) == {"received": 0, "sent": 1}
    assert sum(shown(heard(event(RTT="0.0000")), tenants)[ROUND_TRIP,][0]) == 1


def test_a_channel_of_nobody_is_shown_as_unknown(tenants: TenantTree) -> None:
    quality = heard(event(AccountCode=""))
    assert numbers(quality, tenants, LOSS, UNKNOWN_TENANT) == {"received": 0, "sent": 1}
    assert shown(quality, tenants) == {}


@pytest.mark.parametrize(
    "changes",
    [
        {"Channel": "Local/101@acme-00000001;1"},
        {"Channel": "CBAnn/600-00000001;2"},
        {"Channel": None},
        {"Uniqueid": None},
        {"Event": "RTCPsent"},
        {"Event": "MessageWaiting"},
        {"Event": None},
        {"PT": "202(SDES)"},
        {"PT": "205(RTPFB)"},
        {"PT": None},
        {"ReportCount": "0"},
        {"ReportCount": None},
        {"ReportCount": "-1"},
    ],
)
def test_what_is_no_report_on_a_partys_stream_is_counted_nowhere(
    changes: Mapping[str, str | None], tenants: TenantTree
) -> None:
    quality = heard(event(**changes))
    assert list(quality.spreads("pbx1", tenants, AT)) == []


GARBAGE: Final = [
    None,
    "",
    " ",
    "-1",
    "+1",
    "1e400",
    "nan",
    "inf",
    "-inf",
    "0x10",
    "1_0",
    "٣",
    "1\n",
    "9" * 5000,
    "4294967296000000",
]


@pytest.mark.parametrize("garbage", GARBAGE, ids=repr)
@pytest.mark.parametrize(
    "header", ["ReportCount", "Report0FractionLost", "Report0IAJitter", "Report0LSR", "RTT"]
)
def test_a_report_with_a_number_that_is_none_is_counted_nowhere(
    header: str, garbage: str | None, tenants: TenantTree
) -> None:
    quality = heard(event(**{header: garbage}))
    assert list(quality.spreads("pbx1", tenants, AT)) == []
    quality.hear(event(), 1.0)
    assert numbers(quality, tenants, LOSS) == {"received": 0, "sent": 1}
    assert jitter_of(quality, tenants) == pytest.approx(0.01)


@pytest.mark.parametrize(
    "changes",
    [
        {"Report0FractionLost": "256"},
        {"Report0IAJitter": "480001"},
        {"Report0IAJitter": "4294967295"},
        {"RTT": "60.0001"},
    ],
)
def test_a_figure_that_no_network_has_is_counted_nowhere(
    changes: Mapping[str, str], tenants: TenantTree
) -> None:
    assert list(heard(event(**changes)).spreads("pbx1", tenants, AT)) == []


def test_all_packets_lost_is_the_worst_score_and_not_none(tenants: TenantTree) -> None:
    found = shown(heard(event(Report0FractionLost="255")), tenants)
    assert found[LOSS, "sent"] == ((0, 0, 0, 0, 0, 1), 255 / 256)
    assert found[SCORE, "sent"][0] == (1, 0, 0, 0, 0, 0)


def test_of_several_reports_each_counts_and_one_that_makes_no_sense_harms_no_other(
    tenants: TenantTree,
) -> None:
    more = {
        "Report1SourceSSRC": "0x0000aaab", "Report1FractionLost": "-1", "Report1IAJitter": "80",
        "Report2SourceSSRC": "0x0000aaac", "Report2FractionLost": "26", "Report2IAJitter": "160",
    }  # fmt: skip
    quality = heard(event(ReportCount="3", **more))
    assert shown(quality, tenants)[LOSS, "sent"] == ((1, 0, 0, 0, 0, 1), 26 / 256)
    assert sum(shown(quality, tenants)[ROUND_TRIP,][0]) == 1


def test_a_packet_that_claims_a_million_reports_is_read_no_further_than_rtcp_can_count(
    tenants: TenantTree,
) -> None:
    more = {
        f"Report{n}{name}": "0" for n in range(100) for name in ("FractionLost", "IAJitter", "SourceSSRC")
    }
    quality = heard(event(**{**more, "ReportCount": "1000000"}))
    assert numbers(quality, tenants, LOSS) == {"received": 0, "sent": 31}


@pytest.mark.parametrize("rate", [8000, 12_000, 16_000, 24_000, 32_000, 44_100, 48_000])
def test_the_clock_is_8000_until_two_sender_reports_of_the_stream_tell_another(
    rate: int, tenants: TenantTree
) -> None:
    """The last packet before a report is up to 20 ms old: the clock looks that much off."""
    start = 2**32 - rate  # it wraps on the way
    first, second = (sender("RTCPSent", t, (start + int(rate * t)) % 2**32) for t in (0, 4.98))
    quality = heard(first, event(Report0IAJitter=str(rate // 50)))
    assert jitter_of(quality, tenants) == pytest.approx(rate // 50 / 8000)
    quality = heard(first, {**second, "SentNTP": "1795390005.000000"}, event(Report0IAJitter=str(rate // 50)))
    assert jitter_of(quality, tenants) == pytest.approx(0.02, rel=0.01)


@pytest.mark.parametrize("version", VERSIONS)
def test_a_real_servers_clock_of_8000_is_learnt_and_changes_nothing(
    version: str, tenants: TenantTree
) -> None:
    quality = heard(*blocks(version, "events/RTCP"))
    rates = {
        stream.rate
        for leg in quality._legs.values()
        for stream in leg.streams.values()
        if stream.rate is not None
    }
    assert rates == {8000}


def test_the_far_ends_clock_is_learnt_though_its_ssrc_is_not_told(tenants: TenantTree) -> None:
    """Asterisk shows the NTP seconds in its place: another with each report."""
    first = sender("RTCPReceived", 0, 0, SSRC="0xeeadfa24")
    second = sender("RTCPReceived", 5, 80_000, SSRC="0xeeadfa29")
    quality = heard(first, second, event("RTCPSent", Report0IAJitter="160"))
    assert jitter_of(quality, tenants, "received") == pytest.approx(0.01)


def test_a_stream_without_sender_reports_has_the_clock_of_the_other_way(tenants: TenantTree) -> None:
    first, second = sender("RTCPSent", 0, 0), sender("RTCPSent", 5, 80_000, Report0IAJitter="160")
    quality = heard(first, second)
    assert jitter_of(quality, tenants, "received") == pytest.approx(80 / 8000 + 160 / 16_000)


def test_where_the_clocks_of_both_ways_differ_each_report_is_in_its_own(tenants: TenantTree) -> None:
    ours = [sender("RTCPSent", t, 16_000 * t, ReportCount="0") for t in (0, 5)]
    theirs = [sender("RTCPReceived", t, 32_000 * t, ReportCount="0") for t in (0, 5)]
    quality = heard(*ours, *theirs, event(Report0IAJitter="160"), event("RTCPSent", Report0IAJitter="320"))
    assert jitter_of(quality, tenants, "sent") == pytest.approx(0.01)
    assert jitter_of(quality, tenants, "received") == pytest.approx(0.01)


def test_each_leg_has_its_own_clock(tenants: TenantTree) -> None:
    wide = [sender("RTCPSent", t, 16_000 * t, Uniqueid="pbx-1.2") for t in (0, 5)]
    quality = heard(*wide, event(Report0IAJitter="80"))
    assert jitter_of(quality, tenants) == pytest.approx(0.01)


def test_reports_of_every_second_tell_the_clock_as_well(tenants: TenantTree) -> None:
    """rtcpinterval = 1000: one second is too short to tell, the sum of several is not."""
    quality = heard(
        *(sender("RTCPSent", t, 48_000 * t) for t in range(4)),
        event(Report0IAJitter="480"),
    )
    assert jitter_of(quality, tenants) == pytest.approx(0.01)


def test_opus_is_scored_with_its_lookahead_and_not_as_the_itus(tenants: TenantTree) -> None:
    quality = heard(
        *(sender("RTCPSent", t, 48_000 * t, ReportCount="0") for t in (0, 5)),
        event(RTT="0.6000", Report0IAJitter="480"),
    )
    score = mos(OPUS, 0, delay_of(0.6, 0.01, OPUS))
    assert shown(quality, tenants)[SCORE, "sent"][1] == pytest.approx(score)
    assert score < mos(G711_PLC, 0, delay_of(0.6, 0.01, G711_PLC))


def test_video_is_not_counted_once_its_clock_is_known(tenants: TenantTree) -> None:
    video = {"SSRC": "0x0000cccc"}
    quality = heard(
        *(sender("RTCPSent", t, 90_000 * t, **video) for t in (0, 5, 10)),
        event(Report0SourceSSRC="0x0000cccc"),
        event("RTCPSent"),
    )
    assert numbers(quality, tenants, LOSS) == {"received": 2, "sent": 0}
    assert sum(shown(quality, tenants)[ROUND_TRIP,][0]) == 0


def test_a_pause_in_a_stream_is_not_taken_for_a_slower_clock(tenants: TenantTree) -> None:
    """From 5 s to 10 s a third of the packets were not sent: that looks like 32 kHz."""
    at = [(0, 0), (5, 240_000), (10, 400_000)]
    quality = heard(*(sender("RTCPSent", *moment) for moment in at), event(Report0IAJitter="480"))
    assert jitter_of(quality, tenants) == pytest.approx(0.01)


def test_a_clock_is_not_forgotten_while_nothing_fits_together(tenants: TenantTree) -> None:
    at = [(0, 0), (5, 240_000), (10, 250_000), (15, 255_000), (20, 257_000)]
    quality = heard(*(sender("RTCPSent", *moment) for moment in at), event(Report0IAJitter="480"))
    assert jitter_of(quality, tenants) == pytest.approx(0.01)


def test_a_clock_that_really_changed_is_believed_the_second_time(tenants: TenantTree) -> None:
    at = [(0, 0), (5, 240_000), (10, 280_000), (15, 320_000)]
    quality = heard(*(sender("RTCPSent", *moment) for moment in at), event(Report0IAJitter="80"))
    assert jitter_of(quality, tenants) == pytest.approx(0.01)


@pytest.mark.parametrize(
    "second",
    [
        sender("RTCPSent", 0, 80_000),
        sender("RTCPSent", 0.04, 640),  # two packets of 8000 Hz went out between
        sender("RTCPSent", -5, 80_000),
        sender("RTCPSent", 3600, 57_600_000),
        sender("RTCPSent", 5, 3_000_000_000),
        sender("RTCPSent", 5, 80_000, SSRC="0x0000aaac"),
        sender("RTCPSent", 5, 80_000, SentNTP="nan"),
        sender("RTCPSent", 5, 80_000, SentNTP="9" * 5000 + ".000000"),
        sender("RTCPSent", 5, 80_000, SentNTP=None),
        sender("RTCPSent", 5, 80_000, SentRTP="-80000"),
        sender("RTCPSent", 5, 80_000, SentRTP="8" * 5000),
        sender("RTCPSent", 5, 80_000, SentRTP=None),
        sender("RTCPSent", 5, 80_000, PT="201(RR)", SentRTP=None, SentNTP=None),
    ],
)
def test_two_sender_reports_that_don_t_fit_together_tell_no_clock(second: Block, tenants: TenantTree) -> None:
    quality = heard(sender("RTCPSent", 0, 0), second, event(Report0IAJitter="80"))
    assert jitter_of(quality, tenants) == pytest.approx(0.01)


def test_a_phone_whose_clock_began_when_it_was_switched_on_tells_its_rate_too(tenants: TenantTree) -> None:
    """Its NTP time is before 1970: Asterisk shows that as nearly 2**64 seconds."""
    at = [sender("RTCPReceived", 0, 16_000 * t, SentNTP=f"{2**64 - 2000 + t}.000000") for t in (0, 5)]
    quality = heard(*at, event("RTCPSent", Report0IAJitter="160"))
    assert jitter_of(quality, tenants, "received") == pytest.approx(0.01)


def test_a_leg_is_forgotten_when_it_is_hung_up() -> None:
    quality = heard(event(), event(Uniqueid="pbx-1.2"))
    assert quality.legs == 2
    quality.hear({"Event": "Hangup", "Uniqueid": "pbx-1.1"}, 9.0)
    quality.hear({"Event": "Hangup", "Uniqueid": "never heard of"}, 9.0)
    quality.hear({"Event": "Hangup"}, 9.0)
    assert quality.legs == 1


@pytest.mark.parametrize("version", VERSIONS)
def test_after_the_recorded_calls_only_legs_that_are_up_are_remembered(version: str) -> None:
    events = blocks(version, "events/RTCP")
    quality = heard(*events)
    gone = {one["Uniqueid"] for one in events if one["Event"] == "Hangup"}
    assert gone
    assert not gone & set(quality._legs)


def test_a_leg_whose_hangup_was_missed_is_forgotten_in_time() -> None:
    quality = RtpQuality(owner)
    quality.hear(event(), 0.0)
    quality.hear(event(Uniqueid="pbx-1.2"), FORGET_AFTER)
    assert quality.legs == 2
    quality.hear(event(Uniqueid="pbx-1.2"), FORGET_AFTER + 1)
    assert quality.legs == 1


def test_however_many_legs_and_streams_are_told_of_memory_is_bounded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert MAX_LEGS <= 20_000
    monkeypatch.setattr("collectors.asterisk.rtp.MAX_LEGS", 50)
    quality = RtpQuality(owner)
    for number in range(200):
        quality.hear(event(Uniqueid=f"pbx-1.{number}"), 0.0)
        quality.hear(sender("RTCPSent", 0, 0, SSRC=f"0x{number:08x}", Uniqueid="pbx-2.1"), 0.0)
        quality.hear(sender("RTCPSent", 0, 0, SSRC="0x" + "f" * number), 0.0)
    assert quality.legs == 50
    assert len(quality._legs["pbx-2.1"].streams) == MAX_STREAMS


def test_the_number_of_histograms_depends_on_tenants_alone(tenants: TenantTree) -> None:
    def series(quality: RtpQuality) -> int:
        return len(list(quality.spreads("pbx1", tenants, AT)))

    one = series(heard(event()))
    many = heard(*(event(Uniqueid=f"pbx-1.{n}", SSRC=f"0x{n:08x}") for n in range(500)))
    assert one == series(many) == 7
    many.hear(event(AccountCode="bd"), 0.0)
    assert series(many) == 14


def test_histograms_of_a_tenant_begin_empty_never_fall_and_end_with_the_tenant(tenants: TenantTree) -> None:
    quality = RtpQuality(owner)
    quality.begin(client("acme"))
    assert {counts for counts, _ in shown(quality, tenants).values()} == {(0,) * 6}
    quality.hear(event(), 0.0)
    quality.hear(event(AccountCode="bd"), 0.0)
    before = shown(quality, tenants)
    quality.begin(client("acme"))
    assert shown(quality, tenants) == before
    quality.keep({client("bd")})
    assert shown(quality, tenants) == {}
    assert numbers(quality, tenants, LOSS, "bd") == {"received": 0, "sent": 1}


HEADERS: Final = [
    *("Event", "Channel", "Uniqueid", "Linkedid", "AccountCode", "ChannelState", "RTT", "SSRC", "PT"),
    *("ReportCount", "SentNTP", "SentRTP", "Report0SourceSSRC", "Report0FractionLost", "Report0IAJitter"),
    *("Report0LSR", "Report1SourceSSRC", "Report1FractionLost", "Report1IAJitter"),
]
VALUES: Final = st.text(max_size=12) | st.from_regex(r"-?[0-9]{1,25}(\.[0-9]{1,7})?", fullmatch=True)


@given(st.lists(st.dictionaries(st.sampled_from(HEADERS), VALUES), max_size=6), st.booleans())
def test_whatever_an_event_holds_nothing_is_raised_and_the_histograms_are_sound(
    garbled: list[dict[str, str]], sent: bool
) -> None:
    name = "RTCPSent" if sent else "RTCPReceived"
    quality = heard(*({**sender(name, 5 * n, 40_000 * n), **one} for n, one in enumerate(garbled)))
    found: list[Spread] = list(quality.spreads("pbx1", TENANTLESS, AT))
    for metric, _, counts, total, _ in found:
        assert all(count >= 0 for count in counts)
        assert math.isfinite(total)
        assert 0 <= total <= sum(counts) * (4.5 if metric.endswith("mos") else 60)
