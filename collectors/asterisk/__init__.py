"""Asterisk over its manager interface: channels, calls, queues, transfers, media quality per tenant."""

from collectors.asterisk import ledger, metrics, parts, reloads, rtp, transfers
from collectors.asterisk.collector import AsteriskCollector

METRICS = (
    *metrics.METRICS,
    *ledger.METRICS,
    *transfers.METRICS,
    *rtp.METRICS,
    *parts.METRICS,
    *reloads.METRICS,
)
"""Every metric of this collector, for the catalogue."""

__all__ = ["METRICS", "AsteriskCollector"]
