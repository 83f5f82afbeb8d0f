"""Which names of a time zone database mean the same on every machine."""

from typing import Final

_NO_PLACES: Final = frozenset({"localtime", "posixrules", "Factory"})
_FOLDERS: Final = ("posix/", "right/")


def zone_trouble(name: str) -> str:
    """Return why a name of the database can't stand in a contract, in words that follow it; "" where it can.

    `localtime`, `posixrules` and `Factory` are what a machine makes of them; what is below `right/` counts
    leap seconds, and is not installed everywhere, nor is `posix/`.
    """
    if name in _NO_PLACES:
        return "is another time zone on another machine; use an IANA name like America/Montreal"
    folder = next((one for one in _FOLDERS if name.startswith(one)), "")
    return f"is not on every machine; write {name.removeprefix(folder)}" if folder else ""
