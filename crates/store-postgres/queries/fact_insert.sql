-- Inserts facts.
insert into fact (hall, position, stream, number, kind, occurred_at, recorded_at, actor, command, counted, digest, body)
select $1, *
  from unnest($2::bigint[], $3::text[], $4::bigint[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[]
             , $10::boolean[], $11::bytea[], $12::text[])
