"""The dialtone.yaml, secrets and all, that fits a lab."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import yaml

from lab.base import LabContext, LabError, PartInfo
from lab.files import write_private

CONFIG: Final = "dialtone.yaml"
ACCOUNTS: Final = "accounts.csv"

_TIMEZONE: Final = "America/Montreal"
_PROBE: Final = {"engine": "sippy", "tenants": "all", "interval": "10s", "timeout": "4s"}
_FLOWS: Final = ("register", "call")
_CAPS: Final = {"series": 200_000, "calls_per_second": 10, "concurrent_calls": 50}


def write(lab: LabContext, infos: Sequence[PartInfo]) -> Path:
    """Write dialtone.yaml and its secrets (0600) into the lab's folder; return its path."""
    for info in infos:
        for name, text in info.secrets.items():
            write_private(_inside(lab.root / "secrets", name), text)
    path = lab.root / CONFIG
    text = yaml.safe_dump(document(lab, infos), sort_keys=False, allow_unicode=True, width=110)
    write_private(path, "# Written by `dialtone lab up`; it fits the servers that it started.\n" + text)
    return path


def document(lab: LabContext, infos: Sequence[PartInfo]) -> Mapping[str, object]:
    """Return dialtone.yaml as a tree; its paths are relative to the lab's folder."""
    tree: dict[str, object] = {
        "location": "lab",
        "data": "./data",
        "listen": f"127.0.0.1:{lab.ports.take('dialtone')}",
        "platform": {"domain": lab.sample.platform, "timezone": _TIMEZONE},
        "tenants": [{"domain": tenant.domain, "name": tenant.name} for tenant in lab.sample.tenants],
        "nodes": [dict(node) for info in infos for node in info.nodes],
        "accounts": {"file": ACCOUNTS},
        "probes": _probes(infos),
        "caps": dict(_CAPS),
    }
    for info in infos:
        for key, value in info.config.items():
            tree[key] = _merged(info.name, key, tree.get(key), value)
    return tree


def _probes(infos: Sequence[PartInfo]) -> list[dict[str, object]]:
    """One probe a flow through the SIP front; none in a lab without it."""
    targets = [info.addresses["sip"] for info in infos if "sip" in info.addresses]
    return [
        {"name": flow, "flow": flow, "target": f"sip:{target};transport=udp", **_PROBE}
        for target in targets
        for flow in _FLOWS
    ]


def _merged(part: str, key: str, old: object, new: object) -> object:
    """Lists grow and mappings are united; a part may not overrule another."""
    if old is None:
        return new
    if isinstance(old, list) and isinstance(new, Sequence) and not isinstance(new, str):
        return [*old, *new]
    if isinstance(old, Mapping) and isinstance(new, Mapping) and not old.keys() & new.keys():
        return {**old, **new}
    raise LabError(f"{part}: its configuration for {key!r} contradicts another's")


def _inside(folder: Path, name: str) -> Path:
    if Path(name).name != name:
        raise LabError(f"{name!r} is no plain file name for a secret")
    return folder / name
