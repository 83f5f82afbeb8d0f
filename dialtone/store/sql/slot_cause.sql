SELECT slot, cause, known, evidence FROM slice_causes
WHERE series = :series AND slot <= :slot
ORDER BY slot DESC
LIMIT 1
