SELECT count(*) FROM leases
WHERE account IN (SELECT value FROM json_each(:accounts)) AND holder <> :holder AND until > :now
