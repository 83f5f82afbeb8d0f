"""dialtone capture: what a packet capture tells, and recording one."""

from dialtone.cli.capture.command import capture

__all__ = ["capture"]
