-- The events after ?1 up to ?2, at most ?3.
select number, headers, body, wall, position
  from ledger
 where number > ?1
   and number <= ?2
 order by number
 limit ?3
