SELECT bits FROM slices WHERE series = :series AND day = :day
