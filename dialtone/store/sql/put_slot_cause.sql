INSERT INTO slice_causes (series, slot, cause, known, evidence)
VALUES (:series, :slot, :cause, :known, :evidence)
ON CONFLICT (series, slot) DO UPDATE SET
    cause = excluded.cause, known = excluded.known, evidence = excluded.evidence
