"""The tenant tree: whose child, whose traffic, whose view."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialtone.config import TenantTree
from dialtone.model import Level, Scope, Tenant, normalise_domain

TOP = "clusterpbx.example"
PLATFORM = Tenant(TOP, None, Level.PLATFORM, "Platform")


def reseller(label: str) -> Tenant:
    return Tenant(f"{label}.{TOP}", TOP, Level.RESELLER, label)


def client(domain: str, parent: str, *codes: str) -> Tenant:
    return Tenant(domain, parent, Level.CLIENT, domain, account_codes=codes)


NTEK, UCOM = reseller("ntek"), reseller("ucom")
ACME = replace(client(f"acme.{NTEK.domain}", NTEK.domain, "0012", "ACME"), contexts=("from-acme", "ACME-vm"))
BETA = client(f"beta.{NTEK.domain}", NTEK.domain)
ZETA = client(f"zeta.{UCOM.domain}", UCOM.domain)
VOICE = client("voice.acme.example", NTEK.domain)
DIRECT = client(f"direct.{TOP}", TOP)


@pytest.fixture
def tree() -> TenantTree:
    return TenantTree(PLATFORM, [ACME, NTEK, ZETA, DIRECT, UCOM, BETA, VOICE])


def test_the_tree_is_walked_from_the_platform_each_reseller_followed_by_its_clients(tree: TenantTree) -> None:
    assert list(tree) == [PLATFORM, NTEK, ACME, BETA, VOICE, DIRECT, UCOM, ZETA]
    assert tree.domains == tuple(tenant.domain for tenant in tree)
    assert tree.clients == (ACME, BETA, VOICE, DIRECT, ZETA)
    assert len(tree) == 8


def test_children_are_those_directly_below(tree: TenantTree) -> None:
    assert tree.children(TOP) == (NTEK, DIRECT, UCOM)
    assert tree.children(NTEK.domain) == (ACME, BETA, VOICE)
    assert tree.children(ACME.domain) == ()
    assert tree.children("no.such.example") == ()


@pytest.mark.parametrize(
    ("domain", "owner"),
    [
        (ACME.domain, NTEK.domain),
        (VOICE.domain, NTEK.domain),
        (NTEK.domain, NTEK.domain),
        (DIRECT.domain, TOP),
        (TOP, TOP),
        ("no.such.example", ""),
        ("_unknown", ""),
        ("", ""),
    ],
)
def test_the_reseller_of_a_tenant(tree: TenantTree, domain: str, owner: str) -> None:
    assert tree.reseller(domain) == owner


@pytest.mark.parametrize(
    "host",
    [
        ACME.domain,
        ACME.domain.upper(),
        f"{ACME.domain}.",
        f"{ACME.domain}:5060",
        f" {ACME.domain.title()}.:5060 ",
    ],
)
def test_a_host_is_matched_in_any_spelling(tree: TenantTree, host: str) -> None:
    assert tree.match(host) is ACME


@pytest.mark.parametrize(
    "host",
    [
        f"new.{NTEK.domain}",  # an unknown client of a known reseller
        f"pbx1.{ACME.domain}",
        f"xntek.{TOP}",  # ends like a domain, but not at a label
        f"x{ACME.domain}",
        f"{ACME.domain}.evil.example",
        "example",
        "",
        "...",
        "a b",
        "10.0.0.1",
        f"{ACME.domain}:5060:5060",
        "x" * 10_000,
    ],
)
def test_traffic_of_an_unknown_host_is_never_another_tenants(tree: TenantTree, host: str) -> None:
    assert tree.match(host) is None


@pytest.mark.parametrize(
    ("code", "tenant"),
    [
        ("0012", ACME), ("ACME", ACME), (ACME.domain, ACME), (ACME.domain.upper(), ACME), (TOP, PLATFORM),
        ("acme", None), ("12", None), ("", None),
    ],
)  # fmt: skip
def test_an_account_code_is_a_code_of_its_own_or_the_domain(
    tree: TenantTree, code: str, tenant: Tenant | None
) -> None:
    assert tree.by_account_code(code) is tenant


@pytest.mark.parametrize(
    ("context", "tenant"),
    [
        ("from-acme", ACME), ("ACME-vm", ACME), (ACME.domain, ACME), (ACME.domain.upper(), ACME),
        (TOP, PLATFORM), ("acme-vm", None), ("from-acme2", None), ("0012", None), ("", None),
    ],
)  # fmt: skip
def test_a_context_is_one_of_its_own_or_the_domain_and_no_account_code(
    tree: TenantTree, context: str, tenant: Tenant | None
) -> None:
    assert tree.by_context(context) is tenant
    assert tree.by_account_code("from-acme") is None


def test_alice_bob_and_charlie_see_what_is_theirs(tree: TenantTree) -> None:
    assert tree.scope(TOP) == Scope.everything()
    assert tree.scope(NTEK.domain) == Scope.of(NTEK.domain, ACME.domain, BETA.domain, VOICE.domain)
    assert tree.scope(ZETA.domain) == Scope.of(ZETA.domain)
    assert tree.scope("no.such.example") == Scope.of()
    assert not tree.scope("no.such.example").allows(None)


def test_an_orphan_is_shown_under_the_platform_and_is_nobodys(tree: TenantTree) -> None:
    orphan = client(f"a.lost.{TOP}", f"lost.{TOP}")
    grown = TenantTree(PLATFORM, [*list(tree)[1:], orphan])
    assert grown.children(TOP)[-1] is orphan
    assert grown.reseller(orphan.domain) == TOP
    assert orphan.domain not in (grown.scope(NTEK.domain).domains or ())


def test_two_tenants_of_one_domain_are_refused() -> None:
    with pytest.raises(ValueError, match=r"acme\.ntek\.clusterpbx\.example is in the tree twice"):
        TenantTree(PLATFORM, [NTEK, ACME, client(ACME.domain, TOP)])


def test_parents_that_go_round_in_a_circle_are_refused() -> None:
    one, two = client("a.example", "b.example"), client("b.example", "a.example")
    with pytest.raises(ValueError, match=r"hang below themselves: a\.example, b\.example"):
        TenantTree(PLATFORM, [one, two])


LABELS = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,8}[a-z0-9])?", fullmatch=True)


@st.composite
def trees(draw: st.DrawFn) -> TenantTree:
    resellers = [reseller(label) for label in draw(st.lists(LABELS, max_size=4, unique=True))]
    tenants = list(resellers)
    for above in resellers:
        below = draw(st.lists(LABELS, max_size=4, unique=True))
        tenants += [client(f"{label}.{above.domain}", above.domain) for label in below]
    return TenantTree(PLATFORM, draw(st.permutations(tenants)))


@given(trees())
def test_every_tenant_is_reached_once_after_its_parent(tree: TenantTree) -> None:
    order = [tenant.domain for tenant in tree]
    assert len(order) == len(set(order))
    assert set(order) == set(tree.domains)
    for tenant in tree:
        if tenant.parent is not None:
            assert order.index(tenant.parent) < order.index(tenant.domain)
            assert tenant in tree.children(tenant.parent)


@given(trees())
def test_a_scope_holds_a_tenant_exactly_when_it_stands_at_or_below(tree: TenantTree) -> None:
    for viewer in tree:
        scope = tree.scope(viewer.domain)
        for tenant in tree:
            below = tenant.domain == viewer.domain or tenant.domain.endswith(f".{viewer.domain}")
            assert scope.allows(tenant.domain) == below
        assert scope.allows(None) == (viewer is tree.platform)


@given(trees())
def test_scopes_of_different_resellers_share_nothing(tree: TenantTree) -> None:
    seen = [tree.scope(tenant.domain).domains or frozenset() for tenant in tree.children(TOP)]
    assert sum(map(len, seen)) == len(frozenset().union(*seen))


@given(st.lists(LABELS, min_size=1, max_size=5), st.booleans(), st.booleans())
def test_a_domain_has_one_spelling(labels: list[str], upper: bool, dot: bool) -> None:
    domain = ".".join(labels)
    written = (domain.upper() if upper else domain) + ("." if dot else "")
    assert normalise_domain(written) == domain
    assert normalise_domain(normalise_domain(written)) == domain


@given(st.text(max_size=40))
def test_normalising_settles_or_refuses(text: str) -> None:
    try:
        domain = normalise_domain(text)
    except ValueError:
        return
    assert normalise_domain(domain) == domain == domain.lower()
    assert not domain.endswith(".")
