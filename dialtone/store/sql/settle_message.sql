UPDATE outbox SET state = :state, settled = :settled, detail = iif(:detail = '', detail, :detail)
WHERE key = :key AND state = 'waiting'
RETURNING receiver
