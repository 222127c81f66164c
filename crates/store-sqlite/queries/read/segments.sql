-- Rows of hall ?1 with an entry on one of the days ?2 to ?3, or after position ?4.
select stream, segment, first_position, last_position, first_day, last_day, entries
  from segment
 where hall = ?1
   and ((last_day >= ?2 and first_day <= ?3) or last_position > ?4)
