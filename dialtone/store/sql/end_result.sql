DELETE FROM unended WHERE id = :id
