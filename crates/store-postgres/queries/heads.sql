-- Heads of the lines whose name begins with $2, by name.
select stream, number, hash, position, recorded_at
  from head
 where hall = $1
   and starts_with(stream, $2)
 order by stream
