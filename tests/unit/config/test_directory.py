"""The directory: discovered tenants join the configured ones, and leave them again."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialtone.config import TenantDirectory, TenantTree
from dialtone.model import Level, Scope, Tenant

TOP = "clusterpbx.example"
PLATFORM = Tenant(TOP, None, Level.PLATFORM, "Platform", timezone="America/Montreal", language="en")
NTEK = Tenant(f"ntek.{TOP}", TOP, Level.RESELLER, "NTEK", timezone="America/Toronto", language="fr")
ACME = Tenant(
    f"acme.{NTEK.domain}", NTEK.domain, Level.CLIENT, "Acme", account_codes=("0012",), contexts=("from-acme",)
)
OWN = Tenant("voice.own.example", TOP, Level.RESELLER, "Own")
DIRECT = Tenant(f"direct.{TOP}", TOP, Level.CLIENT, "Direct")


@pytest.fixture
def directory() -> TenantDirectory:
    return TenantDirectory(TenantTree(PLATFORM, [ACME, NTEK, OWN, DIRECT]))


def placed(directory: TenantDirectory, domain: str) -> tuple[str | None, Level, str]:
    found = directory.match(domain)
    assert found is not None
    assert not found.configured
    return found.parent, found.level, directory.reseller(domain)


@pytest.mark.parametrize(
    ("domain", "parent", "level"),
    [
        (f"new.{NTEK.domain}", NTEK.domain, Level.CLIENT),
        (f"volt.{TOP}", TOP, Level.RESELLER),
        (f"zeta.volt.{TOP}", f"volt.{TOP}", Level.CLIENT),
        (f"orphan.nobody.{TOP}", TOP, Level.CLIENT),
        ("pbx.custom.example", TOP, Level.CLIENT),
        ("one.voice.own.example", OWN.domain, Level.CLIENT),
        # As where it would stand if it were configured: a client has no clients.
        (f"branch.{ACME.domain}", NTEK.domain, Level.CLIENT),
        (f"branch.{DIRECT.domain}", TOP, Level.CLIENT),
        # A suffix is whole labels.
        (f"notntek.{TOP}", TOP, Level.RESELLER),
        (f"x{TOP}", TOP, Level.CLIENT),
    ],
)
async def test_a_discovered_tenant_stands_below_the_reseller_that_its_labels_end_in(
    directory: TenantDirectory, domain: str, parent: str, level: Level
) -> None:
    await directory.discover([domain, f"volt.{TOP}"])
    reseller = domain if level is Level.RESELLER else parent
    assert placed(directory, domain) == (parent, level, reseller)


async def test_a_discovered_tenant_has_zone_and_language_of_what_stands_above(
    directory: TenantDirectory,
) -> None:
    await directory.discover([f"new.{NTEK.domain}", "pbx.custom.example"])
    new, custom = directory.match(f"new.{NTEK.domain}"), directory.match("pbx.custom.example")
    assert new is not None
    assert custom is not None
    assert (new.name, new.timezone, new.language) == (new.domain, "America/Toronto", "fr")
    assert (custom.timezone, custom.language) == ("America/Montreal", "en")


async def test_a_configured_tenant_stays_as_it_is_whatever_is_discovered(directory: TenantDirectory) -> None:
    before = list(directory)
    assert await directory.discover([ACME.domain, TOP, OWN.domain]) == ((), ())
    assert list(directory) == before
    assert directory.by_account_code("0012") is ACME
    assert directory.by_context("from-acme") is ACME
    await directory.discover([])
    assert list(directory) == before
    assert (directory.configured, directory.discovered) == (5, 0)


async def test_changes_are_told_and_what_was_there_is_not(directory: TenantDirectory) -> None:
    one, two, three = (f"{label}.{NTEK.domain}" for label in ("one", "two", "three"))
    assert await directory.discover([one, two, ACME.domain]) == ((one, two), ())
    assert (directory.configured, directory.discovered) == (5, 2)
    assert await directory.discover([three, one]) == ((three,), (two,))
    assert await directory.discover([one, three]) == ((), ())
    assert directory.match(two) is None
    assert directory.reseller(two) == ""
    assert two not in directory.domains


async def test_who_holds_the_directory_sees_each_change_and_who_fixed_it_sees_none(
    directory: TenantDirectory,
) -> None:
    domain = f"new.{NTEK.domain}"
    fixed = directory.fixed()
    await directory.discover([domain])
    assert directory.match(f"NEW.{NTEK.domain}:5060") is not None
    assert directory.by_account_code(domain) is not None
    assert directory.by_context(domain) is not None
    assert domain in directory.domains
    assert fixed.match(domain) is None
    assert domain not in fixed.domains


async def test_a_resellers_scope_grows_by_its_own_new_clients_alone(directory: TenantDirectory) -> None:
    before = directory.scope(NTEK.domain)
    new, foreign = f"new.{NTEK.domain}", f"zeta.volt.{TOP}"
    await directory.discover([new, foreign, "pbx.custom.example", f"branch.{ACME.domain}"])
    assert before == Scope.of(NTEK.domain, ACME.domain)
    assert directory.scope(NTEK.domain) == Scope.of(NTEK.domain, ACME.domain, new, f"branch.{ACME.domain}")
    assert directory.scope(ACME.domain) == Scope.of(ACME.domain)
    assert directory.scope(OWN.domain) == Scope.of(OWN.domain)
    assert directory.scope(TOP).sees_all
    await directory.discover([])
    assert directory.scope(NTEK.domain) == before
    assert directory.scope(new) == Scope.of()


async def test_an_orphan_moves_to_its_reseller_when_that_is_discovered(directory: TenantDirectory) -> None:
    orphan = f"zeta.volt.{TOP}"
    await directory.discover([orphan])
    assert placed(directory, orphan)[0] == TOP
    await directory.discover([orphan, f"volt.{TOP}"])
    assert placed(directory, orphan)[0] == f"volt.{TOP}"
    assert directory.scope(f"volt.{TOP}") == Scope.of(f"volt.{TOP}", orphan)


labels = st.text("ab-", min_size=1, max_size=3).filter(lambda label: label.strip("-") == label)
domains = st.lists(labels, min_size=1, max_size=4).flatmap(
    lambda some: st.sampled_from([".".join(some), ".".join([*some, TOP]), ".".join([*some, NTEK.domain])])
)


@given(st.frozensets(domains, max_size=12))
async def test_whatever_is_discovered_makes_a_tree_of_all_of_it(names: frozenset[str]) -> None:
    directory = TenantDirectory(TenantTree(PLATFORM, [ACME, NTEK, OWN, DIRECT]))
    configured = set(directory.domains)
    appeared, gone = await directory.discover(names)
    assert set(appeared) == names - configured
    assert not gone
    assert set(directory.domains) == names | configured
    for tenant in directory:
        seen = directory.scope(tenant.domain)
        below = [one for one in directory if one.parent == tenant.domain]
        assert all(seen.allows(one.domain) for one in below)
        assert tenant.configured == (tenant.domain in configured)
