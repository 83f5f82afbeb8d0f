DELETE FROM hourly_counts WHERE hour < :before
