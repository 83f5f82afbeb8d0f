"""MySQL and MariaDB: replication as it is, not as it says."""

from collectors.mysql.collector import MysqlCollector
from collectors.mysql.metrics import METRICS
from collectors.mysql.tenants import MysqlTenants

__all__ = ["METRICS", "MysqlCollector", "MysqlTenants"]
