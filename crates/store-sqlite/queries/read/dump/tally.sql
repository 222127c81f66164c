-- Sums of hall ?1 after day ?2, window ?3, department ?4, kind ?5.
select printf('%08d %s %s %s', day, window, department, kind) as "key!: String"
     , json_array(amount, events) as "columns!: String"
  from tally
 where hall = ?1
   and (day, window, department, kind) > (?2, ?3, ?4, ?5)
 order by day, window, department, kind
 limit ?6
