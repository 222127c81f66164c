-- Inserts facts of hall ?1.
--
-- ?3 is their bodies, one after the other; ?2 says how to cut it, an array of [position, stream, number, kind,
-- occurred_at, recorded_at, actor, command, counted, digest, offset, bytes].
insert into fact (hall, position, stream, number, kind, occurred_at, recorded_at, actor, command, counted, digest, body)
select ?1
     , value ->> 0
     , value ->> 1
     , value ->> 2
     , value ->> 3
     , value ->> 4
     , value ->> 5
     , value ->> 6
     , value ->> 7
     , value ->> 8
     , unhex(value ->> 9)
     , cast(substr(?3, 1 + (value ->> 10), value ->> 11) as text)
  from jsonb_each(?2)
