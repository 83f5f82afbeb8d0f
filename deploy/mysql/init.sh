# shellcheck shell=bash
# Read by the image's entrypoint (which has docker_process_sql) once, when the data folder is new: users,
# the heartbeat and replication from the other half, SOURCE. Nothing of this goes to the binary log, since
# the other half does the same for itself. Replication begins by itself at the real start that follows.
docker_process_sql <<SQL
SET SESSION sql_log_bin = 0;

CREATE USER 'replication'@'%' IDENTIFIED BY '$(</run/dialtone/replication)';
GRANT REPLICATION SLAVE ON *.* TO 'replication'@'%';

CREATE USER 'dialtone'@'%' IDENTIFIED BY '$(</run/dialtone/dialtone)';
GRANT REPLICATION CLIENT ON *.* TO 'dialtone'@'%';
GRANT SELECT ON performance_schema.* TO 'dialtone'@'%';

CREATE DATABASE dialtone;
CREATE TABLE dialtone.heartbeat (server_id INT UNSIGNED PRIMARY KEY, ts DATETIME(6) NOT NULL);
-- The binary log is row-based: the other half gets this server's number, not the function.
CREATE EVENT dialtone.heartbeat ON SCHEDULE EVERY 1 SECOND DO
  REPLACE INTO dialtone.heartbeat (server_id, ts) VALUES (@@server_id, UTC_TIMESTAMP(6));
GRANT SELECT ON dialtone.heartbeat TO 'dialtone'@'%';

RESET BINARY LOGS AND GTIDS;
CHANGE REPLICATION SOURCE TO SOURCE_HOST = '$SOURCE', SOURCE_USER = 'replication',
  SOURCE_PASSWORD = '$(</run/dialtone/replication)', SOURCE_AUTO_POSITION = 1,
  SOURCE_CONNECT_RETRY = 5, GET_SOURCE_PUBLIC_KEY = 1;
SQL
