DELETE FROM traffic_marks WHERE node NOT IN (SELECT node FROM traffic_nodes)
