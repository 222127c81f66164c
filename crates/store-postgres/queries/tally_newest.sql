-- The latest day of a hall that has a sum.
select max(day) - date '1970-01-01' as "day"
  from tally
 where hall = $1
