"""The catalogue that dashboards are held to: the one that the service registers."""

from dialtone.wiring.parts import build_catalog as whole_catalogue

__all__ = ["whole_catalogue"]
