"""Recorded replies of real OpenSIPS servers, and a small tenant tree."""

from pathlib import Path

import pytest

from dialtone.model import Level, Tenant

DATA = Path(__file__).parents[2] / "data" / "opensips"
VERSIONS = ("3.6.8", "4.0.1")


class Tenants:
    """A TenantLookup over three clients, one of which the recordings never mention."""

    _tenants = (
        Tenant("example.net", None, Level.PLATFORM, "Platform"),
        Tenant("acme.ntek.example.net", "ntek.example.net", Level.CLIENT, "Acme"),
        Tenant("bd.ntek.example.net", "ntek.example.net", Level.CLIENT, "BD"),
        Tenant("quiet.ntek.example.net", "ntek.example.net", Level.CLIENT, "Quiet"),
    )

    @property
    def domains(self) -> tuple[str, ...]:
        return tuple(t.domain for t in self._tenants)

    def match(self, host: str) -> Tenant | None:
        return next((t for t in self._tenants if t.domain == host.lower()), None)

    def by_account_code(self, code: str) -> Tenant | None:
        return self.match(code)

    def by_context(self, context: str) -> Tenant | None:
        return self.match(context)

    def fixed(self) -> "Tenants":
        return self

    def reseller(self, domain: str) -> str:
        tenant = self.match(domain)
        return "" if tenant is None or tenant.parent is None else tenant.parent


def recorded(version: str, name: str) -> bytes:
    """Return the exact bytes of a recorded reply."""
    return (DATA / version / f"{name}.json").read_bytes()


@pytest.fixture
def tenants() -> Tenants:
    return Tenants()


@pytest.fixture(params=VERSIONS)
def replies(request: pytest.FixtureRequest) -> dict[str, bytes]:
    """Return what a server of that version answers to each command of a poll."""
    return {
        "get_statistics": recorded(request.param, "live-get_statistics-all"),
        "profile_get_values": recorded(request.param, "live-profile_get_values-tenant"),
        "version": recorded(request.param, "live-version"),
        "list_statistics": recorded(request.param, "live-list_statistics"),
        "lb_list": recorded(request.param, "live-lb_list"),
        "ds_list": recorded(request.param, "live-ds_list"),
        "dr_gw_status": recorded(request.param, "live-dr_gw_status"),
        "clusterer_list": recorded(request.param, "live-clusterer_list"),
        "clusterer_list_cap": recorded(request.param, "live-clusterer_list_cap"),
        "clusterer_list_shtags": recorded(request.param, "live-clusterer_list_shtags"),
        "list_all_profiles": recorded(request.param, "live-list_all_profiles"),
        "pike_list": recorded(request.param, "live-pike_list"),
        "pike:list": recorded("4.0.1", "idle-newname-pike-list"),
        "ps": recorded(request.param, "live-ps"),
        "rl_list": recorded(request.param, "live-rl_list"),
    }
