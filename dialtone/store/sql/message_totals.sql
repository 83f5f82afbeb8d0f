SELECT * FROM message_totals
