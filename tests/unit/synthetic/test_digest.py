"""Digest answers: one a realm, over the right text."""

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


def test_auth_int_is_over_the_body() -> None:
    request = an_invite()
    DigestAnswers(an_account()).answer(
        request, challenged(request, 'Digest realm="r", nonce="n", qop="auth-int"')
    )
    header = request.getHFBody("proxy-authorization")
    given = header.response
    header.genAuthResponse(an_account().password.reveal(), "INVITE", BODY)
    assert given == header.response
