"""Collectors: one folder a kind of server, each of them client, parser, table of metrics and glue.

The client does the I/O and can send a closed list of reading commands only; `parse` is pure and turns
bytes into a frozen snapshot; the table turns that into samples. They don't know each other.
"""
