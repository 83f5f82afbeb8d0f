"""SLA: what was promised and what was kept. Pure: no clock, no file, no store."""
