INSERT INTO leases (account, holder, until)
SELECT value, :holder, :until FROM json_each(:accounts) WHERE true
ON CONFLICT (account) DO UPDATE SET
    until = CASE WHEN leases.holder = excluded.holder THEN max(leases.until, excluded.until)
                 ELSE excluded.until END,
    holder = excluded.holder
