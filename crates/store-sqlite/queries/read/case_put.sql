-- Puts cases of hall ?1 in place and appends what touched them; ?2 is an array of
-- [id, accepted, issued, transferred, department, events].
insert into case_file (hall, id, accepted, issued, transferred, department, events)
select ?1, value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5
  from jsonb_each(?2)
 where true
    on conflict (hall, id) do update
   set accepted    = excluded.accepted
     , issued      = excluded.issued
     , transferred = excluded.transferred
     , department  = excluded.department
     , events      = events || excluded.events
