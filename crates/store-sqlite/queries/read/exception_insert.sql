-- Inserts exceptions of hall ?1; ?2 is an array of
-- [position, place, stream, number, standing, code, detail, settled].
insert into exception (hall, position, place, stream, number, standing, code, detail, settled)
select ?1, value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 6, value ->> 7
  from jsonb_each(?2)
