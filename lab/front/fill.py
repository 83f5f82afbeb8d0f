"""Fills @NAMES@ into configuration files (SIP configurations are full of $, so no string.Template)."""

import re
from collections.abc import Mapping
from importlib.resources import files
from typing import Final

_PLACE: Final = re.compile(r"@([A-Z]+)@")


def filled(file: str, values: Mapping[str, object]) -> str:
    """Return that file of this package with every @NAME@ replaced. Raises KeyError for one not given."""
    text = files("lab.front").joinpath(file).read_text()
    return _PLACE.sub(lambda place: str(values[place[1]]), text)
