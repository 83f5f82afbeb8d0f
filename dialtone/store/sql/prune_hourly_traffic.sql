DELETE FROM hourly_traffic WHERE hour < :before
