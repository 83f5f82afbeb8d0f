"""Our own registrar on loopback: what a register flow asks of it, and strangers."""

import asyncio
import contextlib
import itertools
import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synthetic.answerer import (
    DOMAIN,
    EXPIRES,
    MAX_BINDINGS,
    MAX_DATAGRAM,
    MAX_REMEMBERED,
    NONCE_LIFE,
    Registrar,
    answering,
)
from tests.fakes.clock import FakeClock
from tests.fakes.sip_words import CONTACT, a_register, digest_answer, header

SOURCE = ("127.0.0.1", 5099)
_TURNS = itertools.count()


@pytest.fixture
def registrar(clock: FakeClock) -> Registrar:
    return Registrar(clock)


def ask(registrar: Registrar, request: bytes) -> bytes:
    response = registrar.answer(request, SOURCE)
    assert response is not None
    return response


def challenge(registrar: Registrar) -> str:
    fresh = f"X-Turn: {next(_TURNS)}\r\n"
    return header(ask(registrar, a_register(DOMAIN, more=fresh)), "WWW-Authenticate")


def register(registrar: Registrar, contact: str = CONTACT, more: str = "") -> bytes:
    """Return the response to a REGISTER with the right credentials."""
    authorization = digest_answer(challenge(registrar), registrar.password.reveal())
    fresh = f"X-Turn: {next(_TURNS)}\r\n"  # the same again would be a retransmission
    return ask(registrar, a_register(DOMAIN, contact=contact, authorization=authorization, more=more + fresh))


def status(response: bytes) -> int:
    return int(response[8:11])


def test_a_stranger_is_challenged_and_who_knows_the_password_is_bound(registrar: Registrar) -> None:
    assert status(ask(registrar, a_register(DOMAIN))) == 401
    response = register(registrar)
    assert status(response) == 200
    assert header(response, "Contact") == f"{CONTACT};expires={EXPIRES}"
    assert header(response, "Via") == (
        "SIP/2.0/UDP 127.0.0.1:5099;rport=5099;received=127.0.0.1;branch=z9hG4bK1"
    )
    assert header(response, "CSeq") == "1 REGISTER"


def test_bindings_can_be_asked_for_and_taken_back(registrar: Registrar) -> None:
    register(registrar)
    assert CONTACT in header(register(registrar, contact=""), "Contact")
    assert header(register(registrar, contact=f"{CONTACT};expires=0"), "Contact") == ""
    register(registrar)
    assert header(register(registrar, more="Expires: 0\r\n"), "Contact") == ""
    register(registrar)
    assert header(register(registrar, contact="*", more="Expires: 0\r\n"), "Contact") == ""


async def test_a_retransmission_gets_the_same_response_again(registrar: Registrar, clock: FakeClock) -> None:
    authorization = digest_answer(challenge(registrar), registrar.password.reveal())
    request = a_register(DOMAIN, authorization=authorization)
    first = ask(registrar, request)
    await clock.advance(4)
    assert ask(registrar, request) == first
    assert registrar.answer(request, ("127.0.0.1", 6000)) != first


def test_only_so_many_responses_are_remembered(registrar: Registrar) -> None:
    for number in range(10 * MAX_REMEMBERED):
        ask(registrar, a_register(DOMAIN, more=f"X: {number}\r\n"))
    assert len(registrar._said) == MAX_REMEMBERED


async def test_bindings_end_by_themselves(registrar: Registrar, clock: FakeClock) -> None:
    register(registrar, contact=f"{CONTACT};expires=999999999")
    await clock.advance(EXPIRES + 1)
    assert header(register(registrar, contact=""), "Contact") == ""


@pytest.mark.parametrize("word", ["", "wrong"])
def test_a_wrong_password_is_refused(registrar: Registrar, word: str) -> None:
    authorization = digest_answer(challenge(registrar), word)
    assert status(ask(registrar, a_register(DOMAIN, authorization=authorization))) == 403


@pytest.mark.parametrize("nonce", ["", "x", "1000.000-", "nan-0", "9" * 300])
def test_a_nonce_of_somebody_elses_is_challenged_anew(registrar: Registrar, nonce: str) -> None:
    said = f'Digest realm="{DOMAIN}", nonce="{nonce or "-"}"'
    authorization = digest_answer(said, registrar.password.reveal())
    response = ask(registrar, a_register(DOMAIN, authorization=authorization))
    assert status(response) == 401
    assert "stale=true" in header(response, "WWW-Authenticate")


async def test_an_old_nonce_is_stale(registrar: Registrar, clock: FakeClock) -> None:
    authorization = digest_answer(challenge(registrar), registrar.password.reveal())
    await clock.advance(NONCE_LIFE + 1)
    assert status(ask(registrar, a_register(DOMAIN, authorization=authorization))) == 401


def test_there_is_only_so_much_room_for_bindings(registrar: Registrar) -> None:
    contacts = ", ".join(f"<sip:c@127.0.0.1:{port}>" for port in range(1000, 1000 + 2 * MAX_BINDINGS))
    response = register(registrar, contact=contacts)
    assert response.decode().count("Contact:") == MAX_BINDINGS


@pytest.mark.parametrize(("method", "code"), [("OPTIONS", 200), ("INVITE", 405), ("PUBLISH", 405)])
def test_other_requests_have_an_answer(registrar: Registrar, method: str, code: int) -> None:
    assert status(ask(registrar, a_register(DOMAIN, method=method))) == code


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\r\n\r\n",
        b"SIP/2.0 200 OK\r\n\r\n",
        b"REGISTER sip:x SIP/2.0\r\n\r\n",
        b"\x00" * 100,
        b"REGISTER sip:x SIP/2.0\r\n" + b"Via: x\r\n" * 2000,
        a_register(DOMAIN, method="ACK"),
        a_register(DOMAIN).replace(b"Call-ID", b"Call-IE"),
        a_register(DOMAIN, more="X: " + "x" * MAX_DATAGRAM + "\r\n"),
    ],
)
def test_what_is_no_request_has_no_answer(registrar: Registrar, data: bytes) -> None:
    assert registrar.answer(data, SOURCE) is None


@given(st.data())
def test_no_mutation_of_a_request_raises_or_is_answered_at_length(data: st.DataObject) -> None:
    registrar = Registrar(FakeClock())
    text = bytearray(a_register(DOMAIN, authorization=digest_answer(challenge(registrar), "x")))
    for _ in range(data.draw(st.integers(1, 8))):
        at = data.draw(st.integers(0, len(text) - 1))
        text[at : at + data.draw(st.integers(0, 5))] = data.draw(st.binary(max_size=5))
    response = registrar.answer(bytes(text), SOURCE)
    assert response is None or len(response) < 2 * MAX_DATAGRAM


def test_the_password_is_in_no_print(registrar: Registrar) -> None:
    assert registrar.password.reveal() not in repr(registrar)


async def test_it_is_reached_on_loopback_and_gone_afterwards(clock: FakeClock) -> None:
    async with answering(clock) as answerer:
        port = int(answerer.sip.split(":")[2].split(";")[0])
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.setblocking(False)
            client.connect(("127.0.0.1", port))
            client.send(b"garbage")
            client.send(a_register(DOMAIN))
            async with asyncio.timeout(5):
                response = await asyncio.get_running_loop().sock_recv(client, 4096)
        assert status(response) == 401
        host, web_port = "127.0.0.1", int(answerer.http.rstrip("/").rsplit(":", 1)[1])
        for said, code in ((b"GET / HTTP/1.1\r\n\r\n", b"200"), (b"POST / HTTP/1.1\r\n\r\n", b"405")):
            reader, writer = await asyncio.open_connection(host, web_port)
            writer.write(said)
            async with asyncio.timeout(5):
                answer = await reader.read()
            writer.close()
            await writer.wait_closed()
            assert answer.split()[1] == code
        reader, writer = await asyncio.open_connection(host, web_port)
        writer.write(b"x" * (4 * MAX_DATAGRAM))
        async with asyncio.timeout(5):
            with contextlib.suppress(ConnectionResetError):  # hung up on while it still talked
                assert await reader.read() == b""
        writer.close()
    with pytest.raises(OSError, match=r"refused|Connect call failed"):
        await asyncio.open_connection(host, web_port)
