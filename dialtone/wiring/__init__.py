"""The composition root: the one package that knows everyone."""

from dialtone.wiring.commands import alerts_listed, alerts_tested, collect, probe
from dialtone.wiring.parts import build_catalog, build_rules, engines
from dialtone.wiring.service import serve

__all__ = [
    "alerts_listed",
    "alerts_tested",
    "build_catalog",
    "build_rules",
    "collect",
    "engines",
    "probe",
    "serve",
]
