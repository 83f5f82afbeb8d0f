SELECT data FROM daily_rollups WHERE start = :start AND series = :series
