"""The ladder fits a terminal and says who said what to whom."""

from dialtone.model import Evidence, Mark, Message
from synthetic.ladder import WIDTH, ladder


def message(at: float, party: str, direction: str, first: str, cseq: str = "1 INVITE") -> Message:
    text = f"{first}\r\nCSeq: {cseq}\r\n\r\n"
    return Message(at, party, direction, "127.0.0.1:1", "127.0.0.1:2", "udp", text)  # type: ignore[arg-type]


def test_a_call_is_drawn_around_the_platform() -> None:
    drawn = ladder(
        Evidence(
            (
                message(0.0, "callee", "sent", "REGISTER sip:acme.example SIP/2.0", "1 REGISTER"),
                message(0.0012, "caller", "sent", "INVITE sip:101@acme.example SIP/2.0"),
                message(0.0034, "callee", "received", "INVITE sip:101@127.0.0.1 SIP/2.0"),
                message(1.5, "caller", "received", "SIP/2.0 180 Ringing"),
            ),
            (Mark("answered", 1.75),),
        )
    )
    assert drawn.splitlines() == [
        "       ms  caller                        platform                        callee",
        "      0.0     |                              |<--------- REGISTER 1 --------|",
        "      1.2     |---------- INVITE 1 --------->|                              |",
        "      3.4     |                              |---------- INVITE 1 --------->|",
        "   1500.0     |<-------- 180 INVITE 1 -------|                              |",
        "   1750.0  * answered",
    ]


def test_no_line_is_wider_than_a_terminal() -> None:
    odd = [
        message(10.0**number, f"party-{number}" * 5, "received", "SUBSCRIBE " * 9 + "SIP/2.0", "x" * 99)
        for number in range(3)
    ]
    drawn = ladder(Evidence(tuple(odd), (Mark("m" * 200, 0.0),)))
    assert max(map(len, drawn.splitlines())) <= WIDTH


def test_what_is_no_sip_is_said_to_be_none() -> None:
    assert "not SIP" in ladder(Evidence((message(0.0, "phone", "received", "\x00garbage"),)))


def test_an_empty_record_has_a_header_and_no_more() -> None:
    assert len(ladder(Evidence()).splitlines()) == 1
