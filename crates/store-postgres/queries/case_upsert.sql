-- Replaces what has counted for cases and appends the events that name them.
insert into case_file (hall, id, accepted, issued, transferred, department, events)
select $1, * from unnest($2::text[], $3::text[], $4::text[], $5::bigint[], $6::text[], $7::text[])
on conflict (hall, id) do update
   set accepted    = excluded.accepted
     , issued      = excluded.issued
     , transferred = excluded.transferred
     , department  = excluded.department
     , events      = case_file.events || excluded.events
