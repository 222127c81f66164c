-- Days ?2 to ?3 of hall ?1 that were closed.
select day, window, consulted, accepted, issued, transferred, position
  from day_close
 where hall = ?1
   and day between ?2 and ?3
 order by day, window
