-- Sums of hall ?1 on the days ?2 to ?3.
select day, window, department, kind, amount, events
  from tally
 where hall = ?1
   and day between ?2 and ?3
