-- Adds differences to sums of hall ?1; ?2 is an array of [day, window, department, kind, amount, events].
insert into tally (hall, day, window, department, kind, amount, events)
select ?1, value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5
  from jsonb_each(?2)
 where true
    on conflict (hall, day, window, department, kind) do update
   set amount = amount + excluded.amount
     , events = events + excluded.events
