"""What is placed: the lab's configuration with four probes of every tenant in each interval."""

from pathlib import Path
from typing import Final

import yaml

from lab.state import LabState

INTERVAL: Final = 60
HOLD: Final = 3
PHONES: Final = 8
"""Phones of a tenant: as many as its four probes use when all of them fall together."""
PROBES: Final[dict[str, dict[str, object]]] = {
    "register": {},
    "call": {"hold": f"{HOLD}s"},
    "presence": {},
    "blind-transfer": {"dial": "6{user}"},
}
"""What each flow's probe says beyond target and interval: transfers go through Asterisk."""
_TIMEOUT: Final = 15
_ROOM: Final = 3.0
"""How much more the caps allow than the schedule places."""


def configure(state: LabState, clients: int) -> Path:
    """Write the configuration beside the lab's own; return its path."""
    document = yaml.safe_load(state.config.read_text())
    document["probes"] = [
        {
            "name": flow,
            "flow": flow,
            "target": f"sip:{state.addresses['sip']};transport=udp",
            "interval": f"{INTERVAL}s",
            "timeout": f"{_TIMEOUT}s",
            **more,
        }
        for flow, more in PROBES.items()
    ]
    rate = clients * len(PROBES) / INTERVAL
    document["caps"] = {
        "series": 1_000_000,
        "calls_per_second": max(10.0, _ROOM * rate),
        "concurrent_calls": max(50, round(_TIMEOUT * rate)),
    }
    path = state.root / "tenants.yaml"
    path.write_text(yaml.safe_dump(document))
    path.chmod(0o600)
    return path
