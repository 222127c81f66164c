-- Sums of the days $2 to $3, given as days since 1970.
select day - date '1970-01-01' as "day!", window_id, department, kind, amount, events
  from tally
 where hall = $1
   and day between date '1970-01-01' + $2::int and date '1970-01-01' + $3::int
