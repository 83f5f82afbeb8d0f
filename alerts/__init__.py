"""Alerts: rules, the engine that applies them, and the way to the people who are told."""

from alerts.engine import probe_alerts
from alerts.pack import load_rules
from alerts.payload import AlertWriter
from alerts.rules import Rule
from alerts.watch import AlertWatch
from alerts.webhook import WebhookNotifier

__all__ = ["AlertWatch", "AlertWriter", "Rule", "WebhookNotifier", "load_rules", "probe_alerts"]
