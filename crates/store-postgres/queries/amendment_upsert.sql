-- Puts the effect of amended originals in place.
insert into amendment (hall, stream, number, current)
select $1, * from unnest($2::text[], $3::bigint[], $4::text[])
on conflict (hall, stream, number) do update
   set current = excluded.current
