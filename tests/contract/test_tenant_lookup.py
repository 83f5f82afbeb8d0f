"""What every TenantLookup promises: a tree, the directory of trees, one that remembers strangers."""

from collections.abc import Callable

import pytest

from collectors.opensips.strangers import Strangers
from dialtone.config import TenantDirectory, TenantTree
from dialtone.model import UNKNOWN_TENANT, Level, Tenant
from dialtone.ports import TenantLookup

TOP = "clusterpbx.example"
NTEK = Tenant(f"ntek.{TOP}", TOP, Level.RESELLER, "NTEK")
ACME = Tenant(
    f"acme.{NTEK.domain}", NTEK.domain, Level.CLIENT, "Acme", account_codes=("77",), contexts=("from-acme",)
)
BD = Tenant(f"bd.{NTEK.domain}", NTEK.domain, Level.CLIENT, "BD", account_codes=("from-acme",))

Make = Callable[[TenantTree], TenantLookup]


@pytest.fixture(params=[TenantTree.fixed, TenantDirectory, Strangers])
def subject(request: pytest.FixtureRequest) -> TenantLookup:
    make: Make = request.param
    return make(TenantTree(Tenant(TOP, None, Level.PLATFORM, "Platform"), [NTEK, ACME, BD]))


def test_every_tenant_is_named_once_in_the_order_of_the_tree(subject: TenantLookup) -> None:
    assert tuple(subject.domains) == (TOP, NTEK.domain, ACME.domain, BD.domain)


@pytest.mark.parametrize("domain", [ACME.domain, ACME.domain.upper(), f"{ACME.domain}."])
def test_a_domain_is_a_host_an_account_code_and_a_context(subject: TenantLookup, domain: str) -> None:
    assert subject.match(domain) is subject.by_account_code(domain) is subject.by_context(domain) is ACME


def test_codes_and_contexts_are_told_apart(subject: TenantLookup) -> None:
    assert subject.by_account_code("77") is ACME
    assert subject.by_context("77") is None
    assert subject.by_context("from-acme") is ACME
    assert subject.by_account_code("from-acme") is BD
    assert subject.match("from-acme") is subject.match("77") is None


@pytest.mark.parametrize(
    "text", ["", " ", "\0", "FROM-ACME", f"new.{NTEK.domain}", UNKNOWN_TENANT, "x" * 10_000]
)
def test_what_nobody_has_is_nobodys(subject: TenantLookup, text: str) -> None:
    assert subject.match(text) is subject.by_account_code(text) is subject.by_context(text) is None
    assert subject.reseller(text) == ""


def test_the_reseller_of_a_client_and_of_itself(subject: TenantLookup) -> None:
    assert subject.reseller(ACME.domain) == subject.reseller(NTEK.domain) == NTEK.domain
    assert subject.reseller(TOP) == TOP


def test_what_is_fixed_stays_one_object_until_something_changes(subject: TenantLookup) -> None:
    fixed = subject.fixed()
    assert fixed is subject.fixed() is fixed.fixed()
    assert tuple(fixed.domains) == tuple(subject.domains)
    assert fixed.by_context("from-acme") is ACME
