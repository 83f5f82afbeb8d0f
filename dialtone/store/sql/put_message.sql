INSERT INTO outbox (key, receiver, events, created, state, tries, detail, settled)
VALUES (:key, :receiver, :events, :created, :state, :tries, :detail, :settled)
ON CONFLICT (key) DO NOTHING
