-- Moves lines of hall ?1; ?2 is an array of [stream, number, hash, position, recorded_at].
insert into head (hall, stream, number, hash, position, recorded_at)
select ?1, value ->> 0, value ->> 1, unhex(value ->> 2), value ->> 3, value ->> 4
  from jsonb_each(?2)
 where true
    on conflict (hall, stream) do update
   set number      = excluded.number
     , hash        = excluded.hash
     , position    = excluded.position
     , recorded_at = excluded.recorded_at
