"""What `dialtone capture` prints: 80 columns, nothing hostile, nothing secret, everything in JSON."""

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as Xml

import pytest
from rich.cells import cell_len

from dialtone.cli.capture import asjson, html, text
from dialtone.cli.capture.charts import ladder_picture
from dialtone.cli.capture.chosen import MOST_LIFELINES, chosen, ladder_of
from dialtone.cli.capture.words import percent
from synthetic.capture import live
from synthetic.capture.analysis import Analysis, Report
from synthetic.capture.calls import MAX_TEXT
from synthetic.capture.records import Read, Record
from tests.fakes.sip_capture import CALLEE, PROXY, answered, back, described, sip, spoken
from tests.unit.cli.conftest import Dialtone

EVIL = "<script>alert(1)</script>\x1b[31m\x07\u202e\"'&"
SECRETS = ("nonce-5531", "answer-5532", "urlpass-5533", "srtpkey-5534")
WRITERS = (text.written, asjson.written, html.written)


def analysed(records: list[Record], problems: tuple[str, ...] = ()) -> Report:
    analysis = Analysis()
    analysis.add(sorted(records, key=lambda record: record.at))
    return analysis.report(Read(len(records), 0, 0.0, 100.0, problems))


def hostile() -> Report:
    """A report in which everything that others write is meant to break something."""
    secret = f'Authorization: Digest nonce="{SECRETS[0]}", response="{SECRETS[1]}"\r\n'
    crypto = f"a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:{SECRETS[3]}\r\n"
    body = described("192.0.2.1", 4000, crypto + f"a=rtpmap:96 {EVIL}/8000\r\n", "0 96")
    name = f"{EVIL}{'x' * 10_000}"
    records: list[Record] = [
        sip(
            0, f"INVITE sip:{EVIL}:{SECRETS[2]}@x SIP/2.0", call_id=name, more=secret, body=body, domain=EVIL
        ),
        sip(0.5, f"INVITE sip:1:{SECRETS[2]}@x SIP/2.0", call_id="plain", more=secret, body=body),
        back(0.6, f"SIP/2.0 503 {EVIL}", call_id="plain"),
        back(1, f"SIP/2.0 500 {EVIL}", call_id=name, domain=EVIL),
        *spoken(range(50), at=1),
        *spoken([number for number in range(100) if number % 3], at=1, ssrc=2, payload_type=96),
    ]
    return analysed(records, (f"a problem {EVIL}",))


@pytest.mark.parametrize("write", WRITERS)
def test_no_credential_is_told(write: Any) -> None:
    report = hostile()
    said = write(report, chosen(report, None, 5), EVIL)
    assert "[redacted]" in said or write is text.written
    for secret in SECRETS:
        assert secret not in said


HIDDEN = {
    "a comma in the password of a URI": ("INVITE sip:1:pa,hid,ss@x SIP/2.0", "", ""),
    "credentials in the headers of a URI": (
        "REFER sip:1@x SIP/2.0",
        "Refer-To: <sip:2@x?Proxy-Authorization=Digest%20response%3D%22hid%22>\r\n",
        "",
    ),
    "keys by MIKEY": (
        "INVITE sip:1@x SIP/2.0",
        "Content-Type: application/sdp\r\n",
        "v=0\r\na=key-mgmt:mikey hid\r\n",
    ),
    "the password of ICE": (
        "INVITE sip:1@x SIP/2.0",
        "Content-Type: application/sdp\r\n",
        "v=0\r\na=ice-pwd:hid\r\n",
    ),
    "a text": ("MESSAGE sip:1@x SIP/2.0", "Content-Type: text/plain\r\n", "hid"),
    "digits": ("INFO sip:1@x SIP/2.0", "Content-Type: application/dtmf-relay\r\n", "Signal=hid\r\n"),
    "a web address": ("INVITE sip:1@x SIP/2.0", "Call-Info: <https://me:hid@192.0.2.1/>\r\n", ""),
}


@pytest.mark.parametrize("what", HIDDEN)
@pytest.mark.parametrize("write", [asjson.written, html.written])
def test_what_gives_people_away_is_not_told(write: Any, what: str) -> None:
    first, more, body = HIDDEN[what]
    records: list[Record] = [
        sip(0, "INVITE sip:1@x SIP/2.0", call_id="one"),
        sip(1, first, f"7 {first.partition(' ')[0]}", call_id="one", more=more, body=body),
        back(2, "SIP/2.0 503 No", call_id="one"),
    ]
    report = analysed(records)
    said = write(report, chosen(report, "one", 5), "a.pcap")
    assert "hid" not in said.replace("overflow:hidden", "").replace("hidden", "")
    assert first.partition(" ")[0] in said


def test_a_password_that_the_end_of_what_is_kept_cuts_off_is_not_told() -> None:
    line = f"X: <sip:1:{'secret' * 40}"
    padding = f"Y: {'y' * (MAX_TEXT - 400)}\r\n"
    report = analysed(
        [sip(0, "INVITE sip:1@x SIP/2.0", call_id="one", more=padding + line + "s" * 5000 + "@x>\r\n")]
    )
    assert "secretsecret" not in asjson.written(report, chosen(report, "one", 5), "a.pcap")


def test_one_call_is_told_alone_also_where_there_is_no_other() -> None:
    records: list[Record] = [*answered(0, "one"), *spoken(list(range(50)), at=1, ssrc=9)]
    report = analysed(records)
    said = text.written(report, chosen(report, "one", 5), "a.pcap")
    assert "SER" in text.written(report, chosen(report, None, 5), "a.pcap")
    assert "SER" not in said


def test_a_wide_call_id_keeps_to_80_columns() -> None:
    records: list[Record] = [
        sip(0, "INVITE sip:1@x SIP/2.0", call_id="\u5bbd" * 70),
        back(1, "SIP/2.0 503 No", call_id="\u5bbd" * 70),
    ]
    report = analysed(records)
    said = text.written(report, chosen(report, None, 5), "a.pcap")
    assert "Call " in said
    assert max(cell_len(line) for line in said.splitlines()) <= 80


def test_text_has_no_control_characters_and_80_columns() -> None:
    report = hostile()
    said = text.written(report, chosen(report, None, 5), f"{EVIL}.pcap" * 9)
    assert said.replace("\n", "").isprintable()
    assert max(cell_len(line) for line in said.splitlines()) <= 80
    assert "\\x1b[31m" in said


class Tags(HTMLParser):
    """Collects the elements of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()
        self.attributes: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.add(tag)
        self.attributes.update(name for name, _ in attrs)


def test_a_page_has_no_script_no_link_and_no_control_characters() -> None:
    report = hostile()
    page = html.written(report, chosen(report, None, 5), EVIL)
    tags = Tags()
    tags.feed(page)
    assert tags.names.isdisjoint({"script", "img", "a", "iframe", "link", "object", "base", "form"})
    assert not {name for name in tags.attributes if name.startswith("on") or name in ("href", "src", "style")}
    assert "&lt;script&gt;" in page
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f\u202e]", page)
    assert len(report.calls) == 2
    assert page.count("<svg ") == 2 + len(report.calls)


def test_pictures_are_well_formed_whatever_is_in_them() -> None:
    for call in hostile().calls:
        Xml.fromstring(ladder_picture(call))  # noqa: S314 - our own


def test_json_has_everything_by_stable_names() -> None:
    lines = "a=rtpmap:101 telephone-event/8000\r\n"
    records: list[Record] = [*answered()]
    records[0] = sip(0, "INVITE", body=described("192.0.2.1", 4000, lines, "0 101"))
    records += spoken([number for number in range(100) if number != 50], at=1.1)
    report = analysed(records, ("cut off",))
    found = json.loads(asjson.written(report, chosen(report, None, 5), "a.pcap"))
    assert (found["version"], found["file"], found["problems"]) == (1, "a.pcap", ["cut off"])
    assert found["begin"] == "1970-01-01T00:00:00.000000+00:00"
    assert found["packets"] == {"all": 106, "sip": 7, "rtp": 99, "rtcp": 0, "other": 0}
    assert found["figures"]["ratios"] == {"ser": 1.0, "seer": 1.0, "isa": 0.0, "ira": None, "scr": 1.0}
    assert found["figures"]["times"]["srd"]["median"] == pytest.approx(0.2)
    (call,) = found["calls"]
    assert (call["ending"], call["one_way"], call["bad"], call["tenants"]) == (
        "answered",
        True,
        True,
        ["acme.ntek.example"],
    )
    assert len(call["messages"]) == call["messages_count"] == 7
    (stream,) = found["streams"]
    assert (stream["lost"], stream["expected"], stream["call_id"]) == (1, 100, "c1")
    assert (stream["ssrc"], stream["mos_is_standard"], stream["rtt"]) == ("0x00000007", True, None)


def test_the_guide_names_every_field_of_json() -> None:
    guide = (Path(__file__).parents[3] / "docs" / "captures.md").read_text()
    report = analysed([*answered(), *spoken(range(9))])

    def names(value: object) -> set[str]:
        if isinstance(value, list):
            return set().union(*map(names, value))
        return set(value).union(*map(names, value.values())) if isinstance(value, dict) else set()

    found = json.loads(asjson.written(report, chosen(report, None, 5), "a.pcap"))
    known = names({**found, "tenants": {}})
    assert {
        name for name in known if f"`{name}`" not in guide and not re.fullmatch("[A-Z]+|[1-6]xx", name)
    } == set()


def test_a_ratio_without_a_denominator_is_a_dash() -> None:
    said = text.written(report := analysed([]), chosen(report, None, 5), "empty.pcap")
    assert re.search(r"^ +- +- +- +- +-$", said, re.MULTILINE)
    assert "0 packets: 0 SIP, 0 RTP, 0 RTCP, 0 other" in said
    assert "by the clock of the place of capture" in said


def test_an_empty_capture_is_a_page_too() -> None:
    report = analysed([])
    assert "0 packets" in html.written(report, chosen(report, None, 5), "empty.pcap")


def test_only_so_many_ladders_are_drawn_and_the_others_are_counted() -> None:
    records: list[Record] = []
    for number in range(9):
        records += [
            sip(number, "INVITE", call_id=f"c{number}"),
            back(number + 0.1, "503", call_id=f"c{number}"),
        ]
    report = analysed(records)
    said = text.written(report, chosen(report, None, 2), "a.pcap")
    assert len(re.findall("^Call c", said, re.MULTILINE)) == 2
    assert "7 bad calls more, not drawn" in said
    one = text.written(report, chosen(report, "c7", 2), "a.pcap")
    assert re.findall("^Call (.*)", one, re.MULTILINE) == ["c7"]
    assert "Figures" not in one


def test_a_ladder_runs_between_the_addresses_that_spoke() -> None:
    report = analysed(
        [
            sip(0, "INVITE"),
            sip(0.001, "INVITE", source=PROXY, destination=CALLEE, branch="z9hG4bKp"),
            sip(0.1, "486", source=CALLEE, destination=PROXY, branch="z9hG4bKp", to_tag="b"),
            back(0.1015, "486"),
        ]
    )
    assert list(ladder_of(report.calls[0])) == [
        "       ms  192.0.2.1:5060             192.0.2.9:5060              192.0.2.2:5060",
        "      0.0     |---------- INVITE 1 --------->|                              |",
        "      1.0     |                              |---------- INVITE 1 --------->|",
        "    100.0     |                              |<-------- 486 INVITE 1 -------|",
        "    101.5     |<-------- 486 INVITE 1 -------|                              |",
    ]


def test_many_and_long_addresses_become_letters_and_fit() -> None:
    ends = [(f"2001:db8:1234:5678:9abc:def0:1234:{number:x}", 5060) for number in range(9)]
    records: list[Record] = [
        sip(number, "INVITE", source=ends[number], destination=ends[number + 1], branch=f"z9hG4bK{number}")
        for number in range(8)
    ]
    lines = list(ladder_of(analysed(records).calls[0]))
    assert max(map(len, lines)) <= 80
    assert sum(" = [2001:db8" in line for line in lines) == MOST_LIFELINES
    assert "others" in lines[MOST_LIFELINES]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["analyze"], "Missing argument 'FILE.pcap'"),
        (["analyze", "x.pcap", "--format", "xml"], "'xml' is not one of"),
        (["analyze", "x.pcap", "--calls", "-1"], "-1 is not in the range"),
        (["analyze", "missing.pcap"], "missing.pcap"),
        (["live", "x.pcap", "--for", "5s"], "Missing option '--port'"),
        (["live", "x.pcap", "--port", "5060"], "Missing option '--for'"),
        (["live", "x.pcap", "--port", "sip", "--for", "5s"], "'sip' is no port; write 5060, or 10000-20000"),
        (["live", "x.pcap", "--port", "70000", "--for", "5s"], "70000 is no port: a port is 1 to 65535"),
        (
            ["live", "x.pcap", "--port", "9-5", "--for", "5s"],
            "9-5 is no range of ports: a port is 1 to 65535",
        ),
        (
            ["live", "x.pcap", "--port", "5060", "--for", "5s", "--output", "y"],
            "--output is of what --analyze",
        ),
        (["live", "x.pcap", "--port", "5060", "--for", "5s", "--format", "json"], "--format is of what"),
        (["live", "x.pcap", "--port", "5060", "--for", "5s", "--call", "y"], "--call is of what --analyze"),
        (["live", "x.pcap", "--port", "5060", "--for", "0s"], "'0s' is no duration; write 30s, 5m or 1h"),
        (["live", "x.pcap", "--port", "5060", "--for", "2h"], "up to 3600s"),
        (["live", "x.pcap", "--port", "5060", "--for", "5s", "--max-size", "big"], "'big' is no size"),
        (["live", "x.pcap", "--port", "5060", "--for", "5s", "--interface", "eth77"], "no interface 'eth77'"),
    ],
)
def test_wrong_arguments_give_3_and_say_what_would_be_right(
    dialtone: Dialtone, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], words: str
) -> None:
    monkeypatch.chdir(tmp_path)
    said = dialtone("capture", *arguments)
    assert said.code == 3
    assert said.out == ""
    assert words in said.err


@pytest.mark.parametrize("packets", [0, 7])
def test_a_recording_says_what_it_does_and_where_nothing_came_what_to_look_at(
    dialtone: Dialtone, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, packets: int
) -> None:
    told: list[object] = []

    async def record(*arguments: object, **more: object) -> live.Recorded:
        told.extend(arguments)
        return live.Recorded(packets, 0, 24)

    monkeypatch.setattr(live, "record", record)
    path = tmp_path / "x.pcap"
    said = dialtone("capture", "live", path, "--port", "5060", "--port", "10-20", "--for", "30s")
    first, second, *rest = said.err.splitlines()
    assert (said.code, said.out, told) == (0, "", ["any", (5060, (10, 20)), 30.0, path])
    assert first == "recording ports 5060, 10-20 on any for 30 s or 200000000 bytes; Ctrl-C ends it"
    assert second == f"{packets} packets, 24 bytes in {path}"
    hint = "nothing came on ports 5060, 10-20 of any: right ports, right interface?"
    assert rest == ([] if packets else [hint])


def test_calls_that_are_still_up_at_the_end_are_told_beside_scr() -> None:
    records: list[Record] = [*answered(0, "over"), *answered(50, "up")[:5]]
    report = analysed(records)
    picked = chosen(report, None, 5)
    assert "1 sessions complete, 1 still up at the end" in " ".join(
        text.written(report, picked, "a.pcap").split()
    )
    assert "complete (SCR); 1 still up at the end" in html.written(report, picked, "a.pcap")
    assert json.loads(asjson.written(report, picked, "a.pcap"))["up"] == 1
    ended = analysed([*answered(0, "over")])
    for write in WRITERS[::2]:
        assert "still up" not in write(ended, chosen(ended, None, 5), "a.pcap")


def test_what_is_wrong_with_a_call_stands_apart_from_its_last_answer() -> None:
    records: list[Record] = [*answered(0, "one")]
    records[0] = sip(0, "INVITE", call_id="one", body=described("192.0.2.1", 4000))
    report = analysed([*records, *spoken(range(100), at=1.1)])
    said = text.written(report, chosen(report, "one", 5), "a.pcap")
    assert re.search(r"^  answered \(200[^,)]*\), one-way RTP; ", said, re.MULTILINE)


@pytest.mark.parametrize("call_id", ["short", "016d284e5ae3d060cd2f8a6b@192.0.2.1", "x" * 120])
def test_what_is_odd_of_a_stream_is_told_whole(call_id: str) -> None:
    lines = "a=rtpmap:101 telephone-event/8000\r\n"
    records: list[Record] = [*answered(0, call_id)]
    records[0] = sip(0, "INVITE", call_id=call_id, body=described("192.0.2.1", 4000, lines, "0 101"))
    records += [*spoken(range(50), at=1), *spoken(range(50, 60), at=2, payload_type=101)]
    said = text.written(report := analysed(records), chosen(report, None, 5), "a.pcap")
    assert f"{report.streams[0].events} telephone events" in said
    assert max(map(len, said.splitlines())) <= 80


@pytest.mark.parametrize(
    ("share", "said"),
    [(None, "-"), (0, "0.00 %"), (0.57, "57.00 %"), (0.99999999, "99.99 %"), (1, "100.00 %")],
)
def test_a_share_is_never_rounded_up(share: float | None, said: str) -> None:
    assert percent(share) == said
