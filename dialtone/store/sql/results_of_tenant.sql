SELECT * FROM visible_results
WHERE tenant = :tenant
  AND (:flow IS NULL OR flow = :flow)
  AND started >= :since
  AND (started, id) < (:before, :before_id)
ORDER BY started DESC, id DESC
LIMIT :limit
