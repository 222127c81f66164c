-- Closes days of hall ?1: the first close makes the day closed and keeps its position, the last one says what the
-- window counted. ?2 is an array of
-- [day, window, consulted, accepted, issued, transferred, position].
insert into day_close (hall, day, window, consulted, accepted, issued, transferred, position)
select ?1, value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 6
  from jsonb_each(?2)
 where true
    on conflict (hall, day, window) do update
   set consulted   = excluded.consulted
     , accepted    = excluded.accepted
     , issued      = excluded.issued
     , transferred = excluded.transferred
