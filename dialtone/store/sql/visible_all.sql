-- Stands before every read of somebody who may see everything.
WITH
visible_results AS (SELECT * FROM results),
visible_latest AS (SELECT * FROM latest_results),
visible_outcomes AS (SELECT * FROM probe_outcomes),
visible_timings AS (SELECT * FROM probe_timings),
visible_media AS (SELECT * FROM probe_media),
visible_counts AS (SELECT * FROM probe_counts),
visible_hourly_counts AS (SELECT * FROM hourly_counts),
visible_hourly_traffic AS (SELECT * FROM hourly_traffic),
visible_alerts AS (SELECT * FROM alerts)
