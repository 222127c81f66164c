-- Inserts figures of hall ?1; ?2 is an array of [issue, definition, span, partition, part, amount, events].
insert into figure (hall, issue, definition, span, partition, part, amount, events)
select ?1, value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 6
  from jsonb_each(?2)
