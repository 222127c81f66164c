-- Heads of hall ?1 after line ?2.
select stream as "key!: String"
     , json_array(number, lower(hex(hash)), position, recorded_at) as "columns!: String"
  from head
 where hall   = ?1
   and stream > ?2
 order by stream
 limit ?3
