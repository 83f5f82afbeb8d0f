"""The catalogue that dashboards are held to: every table of metrics that the service registers."""

from collectors.asterisk.metrics import METRICS as ASTERISK
from collectors.mysql.metrics import METRICS as MYSQL
from collectors.opensips.metrics import METRICS as OPENSIPS
from dialtone.export.metrics import METRICS as OWN
from dialtone.model import Catalog


def whole_catalogue() -> Catalog:
    """Return all metrics."""
    return Catalog(OPENSIPS, ASTERISK, MYSQL, OWN)
