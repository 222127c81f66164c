-- Days closed among the days $2 to $3 (days since 1970).
select window_id, day - date '1970-01-01' as "day!", consulted, accepted, issued, transferred, position
  from day_close
 where hall = $1
   and day between date '1970-01-01' + $2::int and date '1970-01-01' + $3::int
 order by day, window_id
