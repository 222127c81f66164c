-- Inserts adjustments of hall ?1 that are not there yet: a second freeze finds those of the first again. ?2 is an
-- array of [position, place, day, kind, amount, events, cause].
insert into adjustment (hall, position, place, day, kind, amount, events, cause)
select ?1, value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 6
  from jsonb_each(?2)
 where true
    on conflict (hall, position, place) do nothing
