UPDATE slice_series SET since = :since, until = :until WHERE id = :id
