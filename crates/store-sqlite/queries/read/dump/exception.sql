-- Exceptions of hall ?1 after position ?2, place ?3.
select printf('%020d %03d', position, place) as "key!: String"
     , json_array(stream, number, standing, code, detail, settled) as "columns!: String"
  from exception
 where hall = ?1
   and (position, place) > (?2, ?3)
 order by position, place
 limit ?4
