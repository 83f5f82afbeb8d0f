"""The dialtone.yaml, secrets and all, that fits a lab."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import yaml

from lab.base import LabContext, LabError, PartInfo
from lab.files import write_private
from lab.sample import PLATFORM

CONFIG: Final = "dialtone.yaml"
ACCOUNTS: Final = "accounts.csv"

_PLACE: Final = re.compile(r"\{([a-z0-9-]+)\}")
_TIMEZONE: Final = "America/Montreal"
_PROBE: Final = {"tenants": "all", "interval": "10s"}


@dataclass(frozen=True, slots=True)
class _Probe:
    """A probe of the lab, written where the lab has all the addresses that it needs.

    `target` and `keys` may name them: {sip} becomes that address.
    """

    name: str
    needs: tuple[str, ...]
    target: str
    keys: Mapping[str, object]


_OFTEN: Final = {"interval": "15s"}  # a call that is listened to takes longer, and is confirmed
_SELDOM: Final = {"interval": "30s"}
_HEARD: Final = {"for": "1s", "dtmf": "14*"}  # a # would end the echo
_FRONT: Final = "sip:{sip};transport=udp"
_NEW: Final = "asterisk-sip"
_OLD: Final = "asterisk-16-sip"
_PROBES: Final = (
    _Probe("register", ("sip",), _FRONT, {"flow": "register"}),
    _Probe("call", ("sip",), _FRONT, {"flow": "call", "media": _HEARD, **_OFTEN}),
    # The usual lab keeps to those two: the demo plays on it, and its table has room for no more. The others
    # come less often, so that five phones are enough for all of them together.
    _Probe(
        "echo",
        ("sip", _NEW, _OLD),
        _FRONT,
        {
            "flow": "call",
            "number": "600",
            "answered_by": "platform",
            "media": {"hears": "echo", **_HEARD},
            **_SELDOM,
        },
    ),
    _Probe("options", ("sip", _NEW, _OLD), _FRONT, {"flow": "options", "tenants": [PLATFORM], **_SELDOM}),
    _Probe("presence", ("sip", _NEW, _OLD), _FRONT, {"flow": "presence", **_SELDOM}),
    _Probe(
        "blind-transfer",
        ("sip", _NEW, _OLD),
        _FRONT,
        {"flow": "blind-transfer", "dial": "6{user}", **_SELDOM},
    ),
    _Probe(
        "attended-transfer",
        ("sip", _NEW, _OLD),
        _FRONT,
        {"flow": "attended-transfer", "dial": "6{user}", "consult": "7{user}", **_SELDOM},
    ),
    _Probe(
        "failover",
        ("sip", "sip-b"),
        _FRONT,
        {"flow": "call", "caller_target": "sip:{sip-b};transport=udp", **_SELDOM},
    ),
    _Probe(
        "register-tls",
        ("sip-tls", "sip-b"),
        "sip:{sip-tls};transport=tls",
        {"flow": "register", "tls": {"ca": "{ca}"}, **_SELDOM},
    ),
    _Probe(
        "provisioning",
        ("https",),
        "{https}/provisioning/{tenant}.cfg",
        {"flow": "http", "contains": "account.1.enable = 1", "tls": {"ca": "{ca}"}},
    ),
)
_OBJECTIVES: Final[tuple[tuple[frozenset[str], Mapping[str, object]], ...]] = (
    (
        frozenset({"register", "call"}),
        {
            "name": "telephony",
            "title": {"en": "Telephony", "fr": "Téléphonie"},
            "flows": ["register", "call"],
            "target": "99.9%",
        },
    ),
    (
        frozenset({"call"}),
        {
            "name": "quick-calls",
            "title": {"en": "Quick calls", "fr": "Appels rapides"},
            "flows": ["call"],
            "latency": {"timing": "srd", "under": "500ms"},
            "target": "95%",
        },
    ),
)
"""What the tenants of the lab are promised, and the flows that have to be probed for it."""
_CAPS: Final = {"series": 200_000, "calls_per_second": 20, "concurrent_calls": 100}


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
    probes = _probes(infos)
    flows = {str(probe["flow"]) for probe in probes}
    tree: dict[str, object] = {
        "location": "lab",
        "data": "./data",
        "listen": f"127.0.0.1:{lab.ports.take('dialtone')}",
        "platform": {"domain": lab.sample.platform, "timezone": _TIMEZONE},
        "tenants": [{"domain": tenant.domain, "name": tenant.name} for tenant in lab.sample.tenants],
        "nodes": [dict(node) for info in infos for node in info.nodes],
        "accounts": {"file": ACCOUNTS},
        "probes": probes,
        "objectives": [dict(promised) for needs, promised in _OBJECTIVES if flows >= needs],
        "caps": dict(_CAPS),
    }
    for info in infos:
        for key, value in info.config.items():
            tree[key] = _merged(info.name, key, tree.get(key), value)
    return tree


def _probes(infos: Sequence[PartInfo]) -> list[dict[str, object]]:
    """The probes that the lab has what it takes for; none in a lab without a front or pages."""
    addresses = {name: where for info in infos for name, where in info.addresses.items()}
    return [
        {
            "name": probe.name,
            "target": _named(probe.target, addresses),
            **_PROBE,
            **_told(probe.keys, addresses),
        }
        for probe in _PROBES
        if addresses.keys() >= {*probe.needs}
    ]


def _told(keys: Mapping[str, object], addresses: Mapping[str, str]) -> dict[str, object]:
    return {
        key: _named(value, addresses)
        if isinstance(value, str)
        else _told(value, addresses)
        if isinstance(value, Mapping)
        else value
        for key, value in keys.items()
    }


def _named(text: str, addresses: Mapping[str, str]) -> str:
    """Put addresses in; what isn't one, {user} or {tenant}, stays for the service."""
    return _PLACE.sub(lambda place: addresses.get(place[1], place[0]), text)


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
