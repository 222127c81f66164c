-- Closes days; a later close of a day replaces the tally and keeps the position of the first.
insert into day_close (hall, window_id, day, consulted, accepted, issued, transferred, position)
select $1, it.window_id, date '1970-01-01' + it.day
     , it.consulted, it.accepted, it.issued, it.transferred, it.position
  from unnest($2::text[], $3::int[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[], $8::bigint[])
       as it (window_id, day, consulted, accepted, issued, transferred, position)
on conflict (hall, window_id, day) do update
   set consulted   = excluded.consulted
     , accepted    = excluded.accepted
     , issued      = excluded.issued
     , transferred = excluded.transferred
