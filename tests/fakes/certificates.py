"""Certificates for servers of tests, good and bad ones, and how a server and a plan use them."""

import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import trustme

from dialtone.model import TlsPlan


class Certificates:
    """An authority of our own; its certificate is in `file`."""

    def __init__(self, folder: Path) -> None:
        self._authority = trustme.CA()
        self.file = folder / "authority.pem"
        self._authority.cert_pem.write_to_path(self.file)

    def plan(self, *, name: str | None = None, verify: bool = True) -> TlsPlan:
        """Return a plan that trusts this authority alone."""
        return TlsPlan(ca=str(self.file), name=name, verify=verify)

    def server(self, *names: str, expired: bool = False) -> ssl.SSLContext:
        """Return how a server shows a certificate for those names and addresses."""
        yesterday = datetime.now(UTC) - timedelta(days=1)
        issued = self._authority.issue_cert(*names, not_after=yesterday if expired else None)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        issued.configure_cert(context)
        return context
