"""The two Asterisks of the lab: what tells one from the other."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final


@dataclass(frozen=True, slots=True)
class Series:
    """One of them. `part` is its part's and its bundle's name, `prefix` the first digit of its numbers.

    `suffix` tells its ports and files from the other's, `tenant_ids` whether it knows Tenantid (from 20 on).
    """

    part: str
    node: str
    prefix: str
    suffix: str
    tenant_ids: bool

    def named(self, name: str) -> str:
        """Return what a port or file of the first one is called here."""
        return f"{name}{self.suffix}"

    @property
    def sip(self) -> str:
        """The name of its SIP port."""
        return f"{self.part}-sip"

    @property
    def gateway(self) -> str:
        """The name of the port where it answers as the far side of the other one's gateways (TCP)."""
        return f"{self.part}-gateway"


NEW: Final = Series("asterisk", "pbx1", "6", "", tenant_ids=True)
OLD: Final = Series("asterisk-16", "pbx2", "7", "-16", tenant_ids=False)


@dataclass(frozen=True, slots=True)
class Settings:
    """What differs from lab to lab. `program` is the unpacked root, `home` the folder to write to.

    `sip`, `ami` ... `ajam_tls` are its own ports, `gateway` is where it answers as a gateway's far side;
    `fronts` are the SIP ports of the fronts, of which the first is sent to; `gateways` are its own gateways,
    name -> port. `certificate` and `key` are files, for the manager by TLS.
    """

    series: Series
    program: Path
    home: Path
    sip: int
    fronts: tuple[int, ...]
    ami: int
    ami_tls: int
    ajam: int
    ajam_tls: int
    certificate: Path
    key: Path
    gateway: int
    gateways: tuple[tuple[str, int], ...]
    rtp: range
    files: int
    collector_secret: str
    lab_secret: str
