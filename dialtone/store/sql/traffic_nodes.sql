SELECT * FROM traffic_nodes
