SELECT * FROM unended ORDER BY started, id
