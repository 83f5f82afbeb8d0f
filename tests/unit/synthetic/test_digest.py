"""Digest answers: one a realm, over the right text."""

import hashlib
from typing import Any

import pytest

from dialtone.model import FailureCode
from synthetic.agents import siplib
from synthetic.agents.digest import DigestAnswers
from synthetic.probes.base import FlowError
from tests.fakes.sip_probes import TENANT, an_account

BODY = "v=0\r\n"


def an_invite() -> Any:
    """Return an INVITE with a body and no credentials."""
    return siplib.SipRequest(
        method="INVITE",
        ruri=siplib.SipURL(username="101", host=TENANT),
        fr0m=siplib.SipFrom(
            address=siplib.SipAddress(url=siplib.SipURL(username="100", host=TENANT)),
        ),
        callid=siplib.SipCallId(),
        cseq=1,
        body=siplib.MsgBody(BODY),
        target=(("127.0.0.1", 5060), "udp"),
    )


def challenged(request: Any, challenge: str) -> Any:
    """Return a 407 with that challenge."""
    response = request.genResponse(407, "Proxy Authentication Required")
    response.appendHeader(siplib.SipHeader(f"Proxy-Authenticate: {challenge}"))
    return response


def answers_in(request: Any) -> list[str]:
    """Return the credentials that a request carries."""
    return [str(header.body) for header in request.getHFs("proxy-authorization")]


def test_each_proxy_on_the_way_gets_its_own_answer() -> None:
    request, answers = an_invite(), DigestAnswers(an_account())
    for realm in ("edge.example", TENANT):
        answers.answer(request, challenged(request, f'Digest realm="{realm}", nonce="n"'))
    edge, tenant = answers_in(request)
    assert 'realm="edge.example"' in edge
    assert f'realm="{TENANT}"' in tenant


def test_a_second_challenge_of_the_same_realm_is_a_refused_password() -> None:
    request, answers = an_invite(), DigestAnswers(an_account())
    challenge = 'Digest realm="r", nonce="n"'
    answers.answer(request, challenged(request, challenge))
    with pytest.raises(FlowError, match="refused") as refused:
        answers.answer(request, challenged(request, challenge))
    assert refused.value.code is FailureCode.AUTH


def test_a_stale_nonce_replaces_the_answer_instead_of_adding_one() -> None:
    request, answers = an_invite(), DigestAnswers(an_account())
    for challenge in ('Digest realm="r", nonce="1"', 'Digest realm="r", nonce="2", stale=true'):
        answers.answer(request, challenged(request, challenge))
    (answer,) = answers_in(request)
    assert 'nonce="2"' in answer


def test_plain_auth_is_preferred_where_there_is_a_choice() -> None:
    request = an_invite()
    challenge = 'Digest realm="r", nonce="n", qop="auth-int,auth"'
    DigestAnswers(an_account()).answer(request, challenged(request, challenge))
    assert "qop=auth," in answers_in(request)[0]


def offered(request: Any, *challenges: str) -> Any:
    """Return a 407 with these challenges, in their order."""
    response = request.genResponse(407, "Proxy Authentication Required")
    response.appendHeaders([siplib.SipHeader(f"Proxy-Authenticate: {text}") for text in challenges])
    return response


@pytest.mark.parametrize("sess", [False, True])
@pytest.mark.parametrize(
    ("token", "name"), [("MD5", "md5"), ("SHA-256", "sha256"), ("SHA-512-256", "sha512_256")]
)
def test_the_answer_is_what_rfc_7616_says(token: str, name: str, sess: bool) -> None:
    request = an_invite()
    algorithm = f"{token}-sess" if sess else token
    challenge = f'Digest realm="r", nonce="n", algorithm={algorithm}, qop="auth"'
    DigestAnswers(an_account()).answer(request, challenged(request, challenge))
    answer = request.getHFBody("proxy-authorization")

    def digest(*parts: str) -> str:
        return hashlib.new(name, ":".join(parts).encode(), usedforsecurity=False).hexdigest()

    first = digest("100", "r", an_account().password.reveal())
    if sess:
        first = digest(first, "n", answer.cnonce)
    second = digest("INVITE", f"sip:101@{TENANT}")
    assert answer.response == digest(first, "n", "00000001", answer.cnonce, "auth", second)
    assert answer.algorithm == algorithm


def test_the_first_challenge_that_we_know_is_answered() -> None:
    request = an_invite()
    kinds = ("SHA-1024", "SHA-256", "MD5")
    several = [f'Digest realm="r", nonce="n", algorithm={kind}, qop="auth"' for kind in kinds]
    DigestAnswers(an_account()).answer(request, offered(request, "Bearer x", *several))
    (answer,) = answers_in(request)
    assert "algorithm=SHA-256" in answer


def test_a_stale_nonce_of_sha_256_is_answered_again() -> None:
    request, answers = an_invite(), DigestAnswers(an_account())
    for nonce, stale in (("1", ""), ("2", ", stale=TRUE")):
        challenge = f'Digest realm="r", nonce="{nonce}", algorithm=SHA-256, qop="auth"{stale}'
        answers.answer(request, challenged(request, challenge))
    (answer,) = answers_in(request)
    assert 'nonce="2"' in answer


def test_algorithms_have_no_case_and_are_answered_as_they_are_spelt() -> None:
    request = an_invite()
    challenge = 'Digest realm="r", nonce="n", algorithm=sha-256, qop="auth"'
    DigestAnswers(an_account()).answer(request, challenged(request, challenge))
    assert "algorithm=sha-256" in answers_in(request)[0]


@pytest.mark.parametrize(
    ("challenge", "said"),
    [
        ('Digest realm="r", nonce="n", algorithm=MD4', "MD4"),
        ('Digest realm="r", nonce="n", qop="auth-conf"', "auth-conf"),
        ('Digest realm="r", nonce="n", algorithm=SHA-256', "SHA-256"),
        ("Basic cmVhbG0=", "Basic"),
    ],
)
def test_what_can_not_be_answered_says_what_was_offered(challenge: str, said: str) -> None:
    request = an_invite()
    with pytest.raises(FlowError, match=said) as failed:
        DigestAnswers(an_account()).answer(request, challenged(request, challenge))
    assert failed.value.code is FailureCode.AUTH


def test_a_refused_auth_int_says_that_the_body_may_have_been_changed() -> None:
    request, answers = an_invite(), DigestAnswers(an_account())
    challenge = 'Digest realm="r", nonce="n", qop="auth-int"'
    answers.answer(request, challenged(request, challenge))
    with pytest.raises(FlowError, match="auth-int alone") as failed:
        answers.answer(request, challenged(request, challenge))
    assert failed.value.code is FailureCode.AUTH


def test_auth_int_is_over_the_body() -> None:
    request = an_invite()
    DigestAnswers(an_account()).answer(
        request, challenged(request, 'Digest realm="r", nonce="n", qop="auth-int"')
    )
    header = request.getHFBody("proxy-authorization")
    given = header.response
    header.genAuthResponse(an_account().password.reveal(), "INVITE", BODY)
    assert given == header.response
