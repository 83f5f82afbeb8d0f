"""dialtone sla: what was promised and kept; statements; closing, verifying; who changed the books."""

import click

from dialtone.cli.sla.audit import audit
from dialtone.cli.sla.close import close
from dialtone.cli.sla.report import report
from dialtone.cli.sla.status import status
from dialtone.cli.sla.verify import verify


@click.group()
def sla() -> None:
    """Show what was promised and kept; make statements; close months and verify them."""


for command in (status, report, close, verify, audit):
    sla.add_command(command)
