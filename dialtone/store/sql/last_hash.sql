SELECT hash FROM closings ORDER BY sequence DESC LIMIT 1
