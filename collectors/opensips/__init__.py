"""OpenSIPS over its management interface: statistics by group, live calls per tenant."""

from collectors.opensips.collector import OpensipsCollector
from collectors.opensips.metrics import METRICS

__all__ = ["METRICS", "OpensipsCollector"]
