"""OpenSIPS's collector: what a poll costs us, what it costs the server, and what of the server it knows."""
