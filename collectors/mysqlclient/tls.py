"""TLS of a server: what a node's options say about whom to trust."""

from collections.abc import Mapping
from typing import Final

from dialtone.model import TlsPlan

ON: Final = "on"


def tls_of(options: Mapping[str, str]) -> TlsPlan | None:
    """Return whom we trust where a server is; None where it is asked without TLS.

    Options: `tls` ("on"), `tls_ca` (a file), `tls_name`, `tls_verify` ("false": anybody). The file is read
    when a connection is made, off the loop; one that can't be read is a CollectError then. Raises ValueError
    for options of trust without `tls`, or another value of it: nothing goes in clear by a slip of the pen.
    """
    trust = [key for key in ("tls_ca", "tls_name", "tls_verify") if key in options]
    wanted = options.get("tls")
    if wanted is None and not trust:
        return None
    if wanted != ON:
        raise ValueError(
            f"tls is {wanted!r} beside {', '.join(trust) or 'nothing'}; it is {ON!r}, or not there"
        )
    return TlsPlan(options.get("tls_ca"), options.get("tls_name"), options.get("tls_verify") != "false")
