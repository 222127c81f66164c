-- Amended originals of hall ?1 after line ?2, number ?3.
select printf('%s %020d', stream, number) as "key!: String"
     , json_array(current) as "columns!: String"
  from amendment
 where hall = ?1
   and (stream, number) > (?2, ?3)
 order by stream, number
 limit ?4
