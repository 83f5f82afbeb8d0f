DELETE FROM traffic_nodes WHERE at < :before
