"""The command line: one module a command group; every error a sentence and a code of its own."""

import errno
import os
import sys
import traceback
from collections.abc import Sequence
from typing import Final

import click

from dialtone import __version__
from dialtone.cli.alerts import alerts
from dialtone.cli.capture import capture
from dialtone.cli.check import check
from dialtone.cli.collect import collect
from dialtone.cli.demo import demo
from dialtone.cli.exits import Exit
from dialtone.cli.heartbeat import heartbeat
from dialtone.cli.lab import lab
from dialtone.cli.maintenance import maintenance
from dialtone.cli.probe import probe
from dialtone.cli.serve import serve
from dialtone.cli.signals import SignalledError
from dialtone.cli.sla import sla
from dialtone.config import ConfigError
from dialtone.ports import StoreError
from dialtone.runtime import logs
from dialtone.web import ListenError
from lab.base import LabError
from synthetic.capture.file import CaptureError


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="dialtone")
def cli() -> None:
    """Monitoring, synthetic testing and SLA observability for multi-tenant VoIP platforms."""
    # stdout is for what a command was asked for; `serve` configures its own.
    logs.configure("warning", "text", sys.stderr)


for command in (check, serve, collect, probe, capture, sla, maintenance, alerts, heartbeat, lab, demo):
    cli.add_command(command)

_CODES: tuple[tuple[type[Exception], Exit], ...] = (
    (ConfigError, Exit.USAGE),
    (ListenError, Exit.PORT_BUSY),
    (StoreError, Exit.STORE),
    (LabError, Exit.LAB),
    (CaptureError, Exit.USAGE),
)


def run(arguments: Sequence[str]) -> int:
    """Run one command and return its exit code; errors go to stderr as sentences."""
    try:
        result = cli.main(args=list(arguments), prog_name="dialtone", standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message(), err=True)
        return Exit.USAGE
    except click.UsageError as error:
        error.show()
        return Exit.USAGE
    except (click.Abort, KeyboardInterrupt):
        return Exit.INTERRUPTED
    except SystemExit:
        # How click ends when the reader of our stdout has gone (`| head`); its 1 is a bug's code here.
        return Exit.USAGE
    except Exception as error:  # noqa: BLE001 - the edge of the process: each kind has its code
        return _failed(_innermost(error))
    return result if isinstance(result, int) else Exit.OK


_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
"""What the system says where nothing more can be written."""


def _innermost(error: BaseException) -> BaseException:
    """Return what a task group wrapped."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def _failed(error: BaseException) -> int:
    if isinstance(error, SignalledError):
        return error.code
    for kind, code in _CODES:
        if isinstance(error, kind):
            click.echo(f"dialtone: {error}", err=True)
            return code
    if isinstance(error, OSError) and error.errno in _FULL:
        where = f" to {error.filename}" if error.filename else ""
        click.echo(f"dialtone: can't write{where}: {error.strerror}; free some space", err=True)
        _forget_stdout()
        return Exit.USAGE
    click.echo("dialtone: this is a bug, please report it with the lines below", err=True)
    traceback.print_exception(error)
    return Exit.BUG


def _forget_stdout() -> None:
    """Throw away what is still to be written, or the interpreter would stumble over it at its end."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.close(nowhere)


def main() -> None:
    """Entry point of the console script."""
    sys.exit(run(sys.argv[1:]))
