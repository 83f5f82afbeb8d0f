SELECT count FROM result_count
