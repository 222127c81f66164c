-- Appends entries to segments and widens their bounds.
insert into segment (hall, stream, segment, first_position, last_position, first_day, last_day, entries)
select $1, it.stream, it.segment, it.first_position, it.last_position
     , date '1970-01-01' + it.first_day, date '1970-01-01' + it.last_day, it.entries
  from unnest($2::text[], $3::bigint[], $4::bigint[], $5::bigint[], $6::int[], $7::int[], $8::text[])
       as it (stream, segment, first_position, last_position, first_day, last_day, entries)
on conflict (hall, stream, segment) do update
   set first_position = least(segment.first_position, excluded.first_position)
     , last_position  = greatest(segment.last_position, excluded.last_position)
     , first_day      = least(segment.first_day, excluded.first_day)
     , last_day       = greatest(segment.last_day, excluded.last_day)
     , entries        = segment.entries || excluded.entries
