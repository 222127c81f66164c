-- Figures of hall ?1 after issue ?2, definition ?3, span ?4, partition ?5, part ?6.
select issue || ' ' || definition || ' ' || span || ' ' || partition || ' ' || part as "key!: String"
     , json_array(amount, events) as "columns!: String"
  from figure
 where hall = ?1
   and (issue, definition, span, partition, part) > (?2, ?3, ?4, ?5, ?6)
 order by issue, definition, span, partition, part
 limit ?7
