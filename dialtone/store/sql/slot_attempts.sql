SELECT * FROM results INDEXED BY results_of_slot
WHERE interval > 0 AND origin = 'schedule' AND (attempt = 2 OR outcome = 'fail')
  AND tenant = :tenant AND probe = :probe AND location = :location AND slot = :slot
  AND flow = :flow AND interval = :interval
