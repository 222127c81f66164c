-- Appends entries of hall ?1 to their rows.
--
-- ?3 is the entries of all rows, one after the other; ?2 says how to cut it, an array of
-- [stream, segment, first_position, last_position, first_day, last_day, offset, bytes]. So a page's long texts are
-- neither escaped nor parsed.
insert into segment (hall, stream, segment, first_position, last_position, first_day, last_day, entries)
select ?1
     , value ->> 0
     , value ->> 1
     , value ->> 2
     , value ->> 3
     , value ->> 4
     , value ->> 5
     , cast(substr(?3, 1 + (value ->> 6), value ->> 7) as text)
  from jsonb_each(?2)
 where true
    on conflict (hall, stream, segment) do update
   set first_position = min(first_position, excluded.first_position)
     , last_position  = max(last_position, excluded.last_position)
     , first_day      = min(first_day, excluded.first_day)
     , last_day       = max(last_day, excluded.last_day)
     , entries        = entries || excluded.entries
