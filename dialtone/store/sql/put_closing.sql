INSERT INTO closings (tenant, period, closed, author, inputs, figures, previous, hash, spans)
VALUES (:tenant, :period, :closed, :author, :inputs, :figures, :previous, :hash, :spans)
