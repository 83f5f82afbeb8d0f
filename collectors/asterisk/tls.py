"""TLS of an Asterisk's manager, over either transport: what the node's options say about trust."""

from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit

from dialtone.model import Node, TlsPlan

_SECURE: Final = ("tls", "https")


def tls_of(node: Node) -> TlsPlan | None:
    """Return whom we trust where the node's manager is; None where it is not reached by TLS.

    Options: `tls_ca` (a file), `tls_name`, `tls_verify` ("false": anybody). The file is read when a
    connection is made, off the loop; one that can't be read is a CollectError then.
    """
    options: Mapping[str, str] = node.options
    if urlsplit(node.endpoint).scheme not in _SECURE:
        return None
    return TlsPlan(options.get("tls_ca"), options.get("tls_name"), options.get("tls_verify") != "false")
