-- Inserts the figures of issues.
insert into figure (hall, issue, definition, span, partition_by, part, amount, events)
select $1, *
  from unnest($2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::bigint[], $8::bigint[])
