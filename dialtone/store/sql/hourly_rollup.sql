SELECT data FROM hourly_rollups WHERE start = :start AND series = :series
