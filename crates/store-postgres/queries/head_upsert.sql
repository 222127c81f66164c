-- Moves lines on.
insert into head (hall, stream, number, hash, position, recorded_at)
select $1, * from unnest($2::text[], $3::bigint[], $4::bytea[], $5::bigint[], $6::text[])
on conflict (hall, stream) do update
   set number      = excluded.number
     , hash        = excluded.hash
     , position    = excluded.position
     , recorded_at = excluded.recorded_at
