DELETE FROM leases WHERE holder = :id
