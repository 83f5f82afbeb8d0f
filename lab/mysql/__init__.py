"""The lab's MariaDB pair: active-passive, replicating both ways, with a heartbeat and a link that breaks."""

from lab.mysql.part import MysqlPart
from lab.mysql.sabotage import start_sql_thread, stop_sql_thread

__all__ = ["MysqlPart", "start_sql_thread", "stop_sql_thread"]
