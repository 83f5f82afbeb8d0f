SELECT * FROM visible_alerts ORDER BY since DESC, fingerprint
