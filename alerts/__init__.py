"""Alerts: rules, the engine that applies them, and the way to the people who are told."""

from alerts.engine import probe_alert
from alerts.payload import AlertWriter
from alerts.rules import Rule, first_rules
from alerts.watch import AlertWatch
from alerts.webhook import WebhookNotifier

__all__ = ["AlertWatch", "AlertWriter", "Rule", "WebhookNotifier", "first_rules", "probe_alert"]
