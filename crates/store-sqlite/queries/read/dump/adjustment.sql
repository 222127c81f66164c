-- Adjustments of hall ?1 after position ?2, place ?3.
select printf('%020d %03d', position, place) as "key!: String"
     , json_array(day, kind, amount, events, cause) as "columns!: String"
  from adjustment
 where hall = ?1
   and (position, place) > (?2, ?3)
 order by position, place
 limit ?4
