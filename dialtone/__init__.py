"""Dialtone: monitoring, synthetic testing and SLA observability for multi-tenant VoIP platforms."""

__version__ = "0.1.0"
