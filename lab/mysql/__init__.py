"""The lab's databases: the MariaDB pair of the demo, further parts, and stages for tests and fault tables.

A stage is any topology of real servers with handles for every fault: see lab.mysql.stage.
"""

from lab.mysql.part import MysqlPart
from lab.mysql.parts import GaleraPart, MariaDB11Part, MySQL9Part
from lab.mysql.sabotage import start_sql_thread, stop_sql_thread

__all__ = ["MysqlPart", "GaleraPart", "MariaDB11Part", "MySQL9Part", "start_sql_thread", "stop_sql_thread"]
