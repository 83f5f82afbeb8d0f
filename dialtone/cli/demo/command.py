"""The command: how long, and whether the fault is left out."""

import functools
import re
from typing import Final

import anyio
import click

from dialtone.cli.demo.play import play
from dialtone.cli.exits import Exit
from dialtone.cli.signals import until_signal

_UNITS: Final = {"": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0}
_SHORTEST: Final = 30.0


class Duration(click.ParamType[float]):
    """Seconds, as `60`, `60s`, `5m` or `1h`."""

    name = "duration"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Return seconds; a usage error for anything else."""
        found = re.fullmatch(r"(\d{1,6})([smh]?)", str(value).strip())
        if found is None:
            self.fail(f"{value!r} is no duration; write 60s, 5m or 1h", param, ctx)
        seconds = float(found[1]) * _UNITS[found[2]]
        if seconds < _SHORTEST:
            self.fail(f"a demo needs at least {_SHORTEST:g}s to fail, heal and tell", param, ctx)
        return seconds


@click.command()
@click.option("--for", "seconds", type=Duration(), help="End after so long (60s, 5m), with a verdict.")
@click.option("--sabotage", is_flag=True, help="Leave the fault out: the verdict must then be a failure.")
def demo(seconds: float | None, sabotage: bool) -> int:
    """Start a sample platform and watch it.

    Shows tenants by flows, nodes, one fault and its alerts. With --for it ends with a one-line
    verdict: exit 0 when every node was read, every tenant's flows passed and both webhooks came, 2
    otherwise. Without it, it runs until Ctrl-C.
    """
    proved = anyio.run(until_signal, functools.partial(play, seconds, sabotage=sabotage))
    return Exit.OK if proved else Exit.FAILED
