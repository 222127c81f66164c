-- Deletes those of the named cells that have come to nothing.
delete from tally
 using unnest($2::int[], $3::text[], $4::text[], $5::text[]) as it (day, window_id, department, kind)
 where tally.hall       = $1
   and tally.day        = date '1970-01-01' + it.day
   and tally.window_id  = it.window_id
   and tally.department = it.department
   and tally.kind       = it.kind
   and tally.amount     = 0
   and tally.events     = 0
