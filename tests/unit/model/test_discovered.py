"""What of a server's list can be a tenant."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialtone.model import MAX_DISCOVERED, CollectError, CollectFailure, DomainsFound, domains_among
from dialtone.model.tenant import normalise_domain


def test_domains_come_once_in_their_one_spelling_and_in_the_servers_order() -> None:
    found = domains_among(["Zeta.example.", "acme.example", "zeta.EXAMPLE", " beta.example "])
    assert found == DomainsFound(("zeta.example", "acme.example", "beta.example"), 0)


@pytest.mark.parametrize(
    "name",
    [
        *("192.0.2.1", "127.0.0.1.", "10.1", "2001:db8::1", "[2001:db8::1]", "192.0.2.1:5060"),
        *("localhost", "_unknown", "_other", "sip1", "com"),
        *("", " ", ".", "..", "a..b", "acme.example:5060", "sip:acme.example", "100@acme.example"),
        *("acme example.com", "acmé.example", "a\0b.example", "\ud800.example", "x" * 300 + ".example"),
        *('"><script>.example', "*.example", "-a.example", "a.example/..", "a" * 64 + ".example"),
        *(None, 7, True, ["acme.example"], {"name": "acme.example"}),
    ],
)
def test_addresses_and_what_is_no_domain_are_left_out_and_counted(name: object) -> None:
    assert domains_among([name, "acme.example", name]) == DomainsFound(("acme.example",), 2)


def test_as_many_as_the_cap_are_taken_and_one_more_is_too_many() -> None:
    most = [f"t{number}.example" for number in range(MAX_DISCOVERED)]
    assert len(domains_among(most).domains) == MAX_DISCOVERED
    with pytest.raises(CollectError) as raised:
        domains_among([*most, "127.0.0.1"])
    assert raised.value.failure is CollectFailure.TOO_LARGE


@given(st.lists(st.text() | st.none() | st.integers() | st.ip_addresses().map(str)))
def test_whatever_is_listed_only_normalised_domains_come_out(names: list[object]) -> None:
    found = domains_among(names)
    assert len(set(found.domains)) == len(found.domains)
    assert len(found.domains) + found.left_out <= len(names)
    for domain in found.domains:
        assert normalise_domain(domain) == domain
        assert "." in domain
