"""dialtone demo: the lab, the service, a fault and what became of it, on one screen."""

from dialtone.cli.demo.command import demo

__all__ = ["demo"]
