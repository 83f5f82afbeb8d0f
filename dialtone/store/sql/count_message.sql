INSERT INTO message_totals (receiver, outcome, count) VALUES (:receiver, :outcome, 1)
ON CONFLICT (receiver, outcome) DO UPDATE SET count = count + 1
