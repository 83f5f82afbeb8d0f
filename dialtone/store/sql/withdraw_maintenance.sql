UPDATE maintenance SET withdrawn = :at, withdrawn_by = :author WHERE id = :id AND withdrawn IS NULL
