SELECT * FROM outbox ORDER BY sequence
