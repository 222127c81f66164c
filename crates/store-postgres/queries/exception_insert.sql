-- Inserts exceptions.
insert into exception (hall, position, place, stream, number, standing, code, detail, settled)
select $1, *
  from unnest($2::bigint[], $3::bigint[], $4::text[], $5::bigint[], $6::text[], $7::text[], $8::text[]
             , $9::bigint[])
