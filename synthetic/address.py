"""Network addresses, and how SIP writes them."""

Address = tuple[str, int]
"""An IP address and a port."""


def bracketed(host: str) -> str:
    """Return a host as SIP and URIs write it: IPv6 in brackets (RFC 3261 25.1, hostport)."""
    return f"[{host}]" if ":" in host else host


def hostport(address: Address) -> str:
    """Return an address as SIP writes it, host:port."""
    return f"{bracketed(address[0])}:{address[1]}"
