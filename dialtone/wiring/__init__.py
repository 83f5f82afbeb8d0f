"""The composition root: the one package that knows everyone."""

from dialtone.wiring.books import opened_ledger
from dialtone.wiring.commands import alerts_listed, alerts_tested, collect, probe
from dialtone.wiring.heartbeat import beat, heartbeat_sql
from dialtone.wiring.ledger import ClosingAttempt, Ledger, SoundAccounts
from dialtone.wiring.parts import build_catalog, build_rules, engines
from dialtone.wiring.service import serve

__all__ = [
    "ClosingAttempt",
    "Ledger",
    "SoundAccounts",
    "alerts_listed",
    "alerts_tested",
    "beat",
    "build_catalog",
    "build_rules",
    "collect",
    "engines",
    "heartbeat_sql",
    "opened_ledger",
    "probe",
    "serve",
]
