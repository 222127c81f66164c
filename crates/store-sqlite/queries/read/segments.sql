-- Rows of hall ?1 with an entry on one of the days ?2 to ?3, or after position ?4; and where all entries of such a row
-- are after it, the row before: its last entry is the head of the line at the position.
select stream, segment, first_position, last_position, first_day, last_day, entries
  from segment
 where hall = ?1
   and ((last_day >= ?2 and first_day <= ?3) or last_position > ?4)
 union all
select before.stream, before.segment, before.first_position, before.last_position, before.first_day, before.last_day
     , before.entries
  from segment as later
 cross join segment as before
    on before.hall    = ?1
   and before.stream  = later.stream
   and before.segment = (select max(segment) from segment
                          where hall = ?1 and stream = later.stream and segment < later.segment)
 where later.hall = ?1
   and later.last_position > ?4
   and later.first_position > ?4
   and not ((before.last_day >= ?2 and before.first_day <= ?3) or before.last_position > ?4)
