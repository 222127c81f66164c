-- Closed days of hall ?1 after day ?2, window ?3.
select printf('%08d %s', day, window) as "key!: String"
     , json_array(consulted, accepted, issued, transferred, position) as "columns!: String"
  from day_close
 where hall = ?1
   and (day, window) > (?2, ?3)
 order by day, window
 limit ?4
