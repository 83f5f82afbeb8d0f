UPDATE outbox SET tries = tries + 1, detail = :detail
WHERE key = :key AND state = 'waiting'
RETURNING receiver
