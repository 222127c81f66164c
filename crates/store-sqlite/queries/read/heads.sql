-- Heads of the lines of hall ?1 whose names begin with ?2, in the order of bytes.
select stream, number, hash, position, recorded_at
  from head
 where hall    = ?1
   and stream >= ?2
   and stream  < ?2 || char(0x10ffff)
 order by stream
