"""The statements of the store: each a file of sql/, read once."""

from functools import cache
from importlib import resources


@cache
def sql(name: str) -> str:
    """Return the text of the statement of that name."""
    return (resources.files("dialtone.store") / "sql" / f"{name}.sql").read_text("utf-8")
