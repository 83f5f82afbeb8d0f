SELECT * FROM traffic_marks
