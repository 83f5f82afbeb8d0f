DELETE FROM traffic_marks WHERE node = :node AND tenant = :tenant
