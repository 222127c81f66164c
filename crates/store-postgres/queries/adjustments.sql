-- Adjustments after position $2.
select position, day - date '1970-01-01' as "day!", kind, amount, events, cause
  from adjustment
 where hall = $1
   and position > $2
 order by position, place
