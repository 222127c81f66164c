-- Adds differences to sums, and says how many have come to nothing. Days come as days since 1970.
with added as (
    insert into tally (hall, day, window_id, department, kind, amount, events)
    select $1, date '1970-01-01' + it.day, it.window_id, it.department, it.kind, it.amount, it.events
      from unnest($2::int[], $3::text[], $4::text[], $5::text[], $6::bigint[], $7::bigint[])
           as it (day, window_id, department, kind, amount, events)
    on conflict (hall, day, window_id, department, kind) do update
       set amount = tally.amount + excluded.amount
         , events = tally.events + excluded.events
    returning amount, events
)
select count(*) as "empty!"
  from added
 where amount = 0
   and events = 0
