"""What the tests of lists have in common: whose things are, and figures without labels that don't matter."""

from collections.abc import Iterable, Mapping

from collectors.asterisk.level import Scene
from collectors.asterisk.parse import Channel, parse_channels
from collectors.asterisk.whose import Whose, read_patterns
from collectors.asterisk.wire import Block
from dialtone.config.tree import TenantTree
from dialtone.model import Level, Sample, Spread, Tenant
from tests.unit.asterisk.conftest import RESELLER, items

Figures = dict[tuple[str, ...], float]

LAB = "clusterpbx.example"
"""The lab's platform, whose queues and contexts are called by the tenants' domains."""


def client(name: str) -> str:
    """Return the domain of one of the fixture's clients."""
    return f"{name}.{RESELLER}"


def lab_tenants() -> TenantTree:
    """Return some of the lab's tenants, of two resellers."""
    resellers = ("ntek", "modulis")
    clients = ("acme.ntek", "bolt.ntek", "globex.modulis")
    return TenantTree(
        Tenant(LAB, None, Level.PLATFORM, "Platform"),
        [
            *(Tenant(f"{name}.{LAB}", LAB, Level.RESELLER, name) for name in resellers),
            *(
                Tenant(f"{name}.{LAB}", f"{name.partition('.')[2]}.{LAB}", Level.CLIENT, name)
                for name in clients
            ),
        ],
    )


def scene(tenants: TenantTree, channels: Iterable[Channel] = (), *, names: str = "{tenant}-*") -> Scene:
    """Return a scene of these channels; the fixture's names are a tenant, a dash, and the rest."""
    whose, legs = Whose(tenants, read_patterns(names)), tuple(channels)
    return Scene(whose, whose.channels(legs), legs)


def recorded_scene(version: str, tenants: TenantTree, *, names: str = "{tenant}-*") -> Scene:
    """Return the scene of the recorded calls."""
    return scene(tenants, parse_channels(items(version, "CoreShowChannels")), names=names)


def channel(
    unique_id: str,
    account_code: str = "",
    *,
    application: str = "",
    arguments: str = "",
    internal: bool = False,
) -> Channel:
    """Return a channel that is its own call."""
    return Channel(
        unique_id,
        unique_id,
        f"Driver/{unique_id}",
        "other",
        "up",
        internal,
        account_code,
        application=application,
        arguments=arguments,
    )


def told(samples: Iterable[Sample]) -> Figures:
    """Return samples as (metric without its prefix, labels without node and reseller) -> value."""
    found: Figures = {}
    for sample in samples:
        key = _key(sample.metric, sample.labels)
        assert key not in found, f"{key} is there twice"
        found[key] = sample.value
    return found


def spread(spreads: Iterable[Spread]) -> Mapping[tuple[str, ...], tuple[int, float]]:
    """Return histograms as the same keys -> how many values, and their sum."""
    found: dict[tuple[str, ...], tuple[int, float]] = {}
    for one in spreads:
        key = _key(one.metric, one.labels)
        assert key not in found, f"{key} is there twice"
        found[key] = sum(one.counts), one.total
    return found


def _key(metric: str, labels: tuple[str, ...]) -> tuple[str, ...]:
    assert labels[0] == "pbx1"
    if "_tenant_" not in metric:
        return metric.removeprefix("asterisk_"), *labels[1:]
    return metric.removeprefix("asterisk_tenant_"), labels[1], *labels[3:]


def without(block: Block, header: str) -> dict[str, str]:
    """Return a block that lacks a header."""
    return {name: value for name, value in block.items() if name != header}
