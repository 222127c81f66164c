-- Inserts adjustments; one that is there already stays, because an earlier freeze may have seen it.
insert into adjustment (hall, position, place, day, kind, amount, events, cause)
select $1, it.position, it.place, date '1970-01-01' + it.day, it.kind, it.amount, it.events, it.cause
  from unnest($2::bigint[], $3::bigint[], $4::int[], $5::text[], $6::bigint[], $7::bigint[], $8::text[])
       as it (position, place, day, kind, amount, events, cause)
on conflict (hall, position, place) do nothing
