-- Adjustments of hall ?1 after position ?2.
select position, day, kind, amount, events, cause
  from adjustment
 where hall     = ?1
   and position > ?2
 order by position, place
