-- Facts of hall ?1 after position ?2.
select printf('%020d', position) as "key!: String"
     , json_array(
           stream, number, kind, occurred_at, recorded_at, actor, command, counted, lower(hex(digest)), body
       ) as "columns!: String"
  from fact
 where hall     = ?1
   and position > ?2
 order by position
 limit ?3
