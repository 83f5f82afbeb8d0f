-- Stands before every other read: the one place where the scope is applied. :scope is a JSON list of domains.
-- What is of no tenant (NULL) is in no scope; when there are rollups tells nothing about anybody.
WITH
scope AS MATERIALIZED (SELECT value AS tenant FROM json_each(:scope)),
visible_results AS (SELECT * FROM results WHERE tenant IN (SELECT tenant FROM scope)),
visible_latest AS (SELECT * FROM latest_results WHERE tenant IN (SELECT tenant FROM scope)),
visible_outcomes AS (SELECT * FROM probe_outcomes WHERE tenant IN (SELECT tenant FROM scope)),
visible_timings AS (SELECT * FROM probe_timings WHERE tenant IN (SELECT tenant FROM scope)),
visible_media AS (SELECT * FROM probe_media WHERE tenant IN (SELECT tenant FROM scope)),
visible_counts AS (SELECT * FROM probe_counts WHERE tenant IN (SELECT tenant FROM scope)),
visible_hourly_counts AS (SELECT * FROM hourly_counts WHERE tenant IN (SELECT tenant FROM scope)),
visible_hourly_traffic AS (SELECT * FROM hourly_traffic WHERE tenant IN (SELECT tenant FROM scope)),
rollup_hours AS NOT MATERIALIZED (SELECT start FROM hourly_rollups),
rollup_days AS NOT MATERIALIZED (SELECT start FROM daily_rollups),
visible_rollup_series AS (SELECT * FROM rollup_series WHERE tenant IN (SELECT tenant FROM scope)),
visible_hourly_rollups AS (
    SELECT * FROM hourly_rollups WHERE series IN (SELECT id FROM visible_rollup_series)
),
visible_daily_rollups AS (SELECT * FROM daily_rollups WHERE series IN (SELECT id FROM visible_rollup_series)),
visible_alerts AS (SELECT * FROM alerts WHERE tenant IN (SELECT tenant FROM scope)),
visible_series AS (SELECT * FROM slice_series WHERE tenant IN (SELECT tenant FROM scope)),
visible_slices AS (SELECT * FROM slices WHERE series IN (
    SELECT id FROM slice_series WHERE tenant IN (SELECT tenant FROM scope)
)),
visible_causes AS NOT MATERIALIZED (SELECT * FROM slice_causes WHERE series IN (
    SELECT id FROM slice_series WHERE tenant IN (SELECT tenant FROM scope)
)),
visible_maintenance AS (SELECT * FROM maintenance WHERE tenant IN (SELECT tenant FROM scope)),
visible_corrections AS (SELECT * FROM corrections WHERE tenant IN (SELECT tenant FROM scope)),
visible_closings AS (SELECT * FROM closings WHERE tenant IN (SELECT tenant FROM scope)),
visible_audit AS (SELECT * FROM audit WHERE tenant IN (SELECT tenant FROM scope))
