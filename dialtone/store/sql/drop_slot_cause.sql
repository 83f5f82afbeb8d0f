DELETE FROM slice_causes WHERE series = :series AND slot = :slot
