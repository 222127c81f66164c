-- Segments of hall ?1 after line ?2, segment ?3.
select printf('%s %020d', stream, segment) as "key!: String"
     , json_array(first_position, last_position, first_day, last_day, entries) as "columns!: String"
  from segment
 where hall = ?1
   and (stream, segment) > (?2, ?3)
 order by stream, segment
 limit ?4
