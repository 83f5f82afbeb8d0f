"""Asterisk over its manager interface (AMI): channels and calls per tenant and state."""

from collectors.asterisk.collector import AsteriskCollector
from collectors.asterisk.metrics import METRICS

__all__ = ["METRICS", "AsteriskCollector"]
