"""Arguments that several commands share."""

from pathlib import Path
from typing import Final

import click

config_argument: Final = click.argument("config", type=click.Path(path_type=Path), metavar="CONFIG")
"""The path of dialtone.yaml; whether it exists is the loader's to say."""
