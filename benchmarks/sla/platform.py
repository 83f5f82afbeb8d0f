"""The platform: its tenants, four probes a minute of each, and what they were promised."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

import yaml

from dialtone.model import Flow

INTERVAL: Final = 60
LOCATION: Final = "mtl1"
ROOT: Final = "clusterpbx.example"
FLOWS: Final[Mapping[Flow, str]] = {
    Flow.OPTIONS: "ping",
    Flow.REGISTER: "registers",
    Flow.CALL: "calls",
    Flow.PRESENCE: "presence",
}
"""The flows, and the names of their probes."""

_CLIENTS: Final = 20
"""Of each reseller."""
_PHONES: Final = 2


def domains(clients: int) -> list[str]:
    """Return the domains of that many clients."""
    return [f"client{n:04}.reseller{n // _CLIENTS:02}.{ROOT}" for n in range(clients)]


def configure(folder: Path, clients: int) -> Path:
    """Write the configuration and its accounts; return its path."""
    tenants = domains(clients)
    resellers = dict.fromkeys(domain.partition(".")[2] for domain in tenants)
    phones = [f"{domain},10{n},10{n},not-a-secret" for domain in tenants for n in range(_PHONES)]
    accounts = folder / "accounts.csv"
    accounts.write_text("\n".join(["tenant,user,auth_user,password", *phones, ""]))
    accounts.chmod(0o600)
    path = folder / "dialtone.yaml"
    path.write_text(
        yaml.safe_dump(
            {
                "location": LOCATION,
                "platform": {"domain": ROOT, "timezone": "America/Montreal"},
                "tenants": [{"domain": domain} for domain in (*resellers, *tenants)],
                "accounts": {"file": accounts.name},
                "probes": [
                    {
                        "name": name,
                        "flow": flow.value,
                        "target": "sip:127.0.0.1:5060;transport=udp",
                        "tenants": tenants,
                        "interval": f"{INTERVAL}s",
                    }
                    for flow, name in FLOWS.items()
                ],
                "caps": {"calls_per_second": 500, "concurrent_calls": 5000},
                "objectives": [
                    {
                        "name": "telephony",
                        "flows": [flow.value for flow in FLOWS],
                        "target": "99.9%",
                        "tenants": tenants,
                    }
                ],
            }
        )
    )
    path.chmod(0o600)
    return path
