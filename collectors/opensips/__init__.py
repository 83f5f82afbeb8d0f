"""OpenSIPS over its management interface: statistics by group, live calls per tenant."""

from collectors.opensips.client import MiClient, client_of
from collectors.opensips.collector import OpensipsCollector
from collectors.opensips.metrics import METRICS
from collectors.opensips.tenants import OpensipsTenants

__all__ = ["METRICS", "MiClient", "OpensipsCollector", "OpensipsTenants", "client_of"]
