"""dialtone serve: the service."""

import sys
from pathlib import Path
from typing import get_args

import anyio
import click

from dialtone.cli.exits import Exit
from dialtone.cli.options import config_argument
from dialtone.config import load
from dialtone.runtime import garbage, logs
from dialtone.wiring import service


@click.command()
@config_argument
@click.option("--log-format", type=click.Choice(get_args(logs.Format)), default="text", show_default=True)
@click.option("--log-level", type=click.Choice(["debug", "info", "warning", "error"]), default="info")
def serve(config: Path, log_format: logs.Format, log_level: str) -> int:
    """Run the service for CONFIG: collectors, scheduled probes, alerts, API, pages, /metrics.

    Ends with 0 within 5 seconds of SIGTERM or Ctrl-C.
    """
    settings = load(config)
    logs.configure(log_level, log_format, sys.stderr)
    garbage.settle()
    anyio.run(service.serve, settings)
    return Exit.OK
