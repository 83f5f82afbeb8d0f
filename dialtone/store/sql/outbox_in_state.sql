SELECT * FROM outbox WHERE state = :state ORDER BY sequence
