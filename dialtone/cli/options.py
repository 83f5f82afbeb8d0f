"""Arguments that several commands share."""

from collections.abc import Iterable
from pathlib import Path
from typing import Final

import click

from dialtone.config import Settings
from dialtone.config.problem import nearest
from dialtone.model import normalise_domain

config_argument: Final = click.argument("config", type=click.Path(path_type=Path), metavar="CONFIG")
"""The path of dialtone.yaml; whether it exists is the loader's to say."""


def domain_of(settings: Settings, text: str, *, known: Iterable[str] = ()) -> str:
    """Return a tenant's domain: of the configuration, or of those that are `known` besides.

    Raises click.BadParameter with the nearest name: one that begins with these labels, or is written alike.
    """
    try:
        domain = normalise_domain(text)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--tenant") from None
    every = [*settings.tree.domains, *sorted(set(known) - set(settings.tree.domains))]
    if domain not in every:
        longer = next((one for one in every if one.startswith(f"{domain}.")), None)
        hint = f"; did you mean '{longer}'?" if longer else nearest(domain, every)
        raise click.BadParameter(
            f"{domain} is not a tenant of {settings.source}{hint}", param_hint="--tenant"
        )
    return domain
