"""The command line: one module a command group; every error a sentence and a code of its own."""

import errno
import os
import sys
import traceback
from collections.abc import Sequence
from typing import Final

import click

from dialtone import __version__
from dialtone.cli.exits import Exit
from dialtone.cli.lazy import Later, LazyGroup

_COMMANDS: Final = {
    "alerts": Later("dialtone.cli.alerts", "Show alerts; see whether receivers can be told."),
    "capture": Later(
        "dialtone.cli.capture", "Packet captures: calls, figures of RFC 6076 and audio quality."
    ),
    "check": Later("dialtone.cli.check", "Validate CONFIG and its rule file; list every problem."),
    "collect": Later("dialtone.cli.collect", "Poll the nodes of CONFIG once and print what they said."),
    "demo": Later("dialtone.cli.demo", "Start a sample platform and watch it."),
    "heartbeat": Later(
        "dialtone.cli.heartbeat", "Write the time into the heartbeat table of each node of CONFIG."
    ),
    "lab": Later("dialtone.cli.lab", "Start and stop real servers on loopback."),
    "maintenance": Later("dialtone.cli.maintenance", "Declare maintenance before it begins."),
    "probe": Later("dialtone.cli.probe", "Place one FLOW probe of CONFIG now, as a phone of a tenant."),
    "serve": Later("dialtone.cli.serve", "Run the service for CONFIG."),
    "sla": Later("dialtone.cli.sla", "Show what was promised and kept; make statements; close months."),
}
"""By name; each is called in its module what it is called here."""


@click.group(
    cls=LazyGroup,
    later=_COMMANDS,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(__version__, prog_name="dialtone")
def cli() -> None:
    """Monitoring, synthetic testing and SLA observability for multi-tenant VoIP platforms."""
    from dialtone.runtime import logs  # here: the version and the help are told without it

    # stdout is for what a command was asked for; `serve` configures its own.
    logs.configure("warning", "text", sys.stderr)


_CODES: Final = {
    "dialtone.config.problem.ConfigError": Exit.USAGE,
    "dialtone.web.server.ListenError": Exit.PORT_BUSY,
    "dialtone.ports.StoreError": Exit.STORE,
    "lab.base.LabError": Exit.LAB,
    "synthetic.capture.file.CaptureError": Exit.USAGE,
}
"""The codes of errors, by name: to know a class by itself would take importing all that can fail."""


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
    from dialtone.cli.signals import SignalledError  # here, for the same reason as in `cli`

    if isinstance(error, SignalledError):
        return error.code
    names = {f"{kind.__module__}.{kind.__qualname__}" for kind in type(error).__mro__}
    for name, code in _CODES.items():
        if name in names:
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
