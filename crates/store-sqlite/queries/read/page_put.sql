-- What nearly every page changes, in one go: SQLite runs on a thread of its own, and waking it up takes as long as
-- a statement. Parameters are counted through all statements, so each stands once.

-- Adds differences to sums of the hall; an array of [day, window, department, kind, amount, events].
insert into tally (hall, day, window, department, kind, amount, events)
select ?, value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5
  from jsonb_each(?)
 where true
    on conflict (hall, day, window, department, kind) do update
   set amount = amount + excluded.amount
     , events = events + excluded.events;

-- Removes sums that have come to nothing, by an index that holds no others.
--
-- Without this a rebuild in other pages would leave other rows: what is added and taken back in one page never
-- makes a row.
delete from tally indexed by tally_of_nothing
 where hall   = ?
   and amount = 0
   and events = 0;

-- Puts cases in place and appends what touched them; an array of
-- [id, accepted, issued, transferred, department, events].
insert into case_file (hall, id, accepted, issued, transferred, department, events)
select ?, value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5
  from jsonb_each(?)
 where true
    on conflict (hall, id) do update
   set accepted    = excluded.accepted
     , issued      = excluded.issued
     , transferred = excluded.transferred
     , department  = excluded.department
     , events      = events || excluded.events;

-- Appends entries to their rows: the entries of all rows, one after the other, and how to cut them, an array of
-- [stream, segment, first_position, last_position, first_day, last_day, offset, bytes]. So a page's long texts are
-- neither escaped nor parsed.
insert into segment (hall, stream, segment, first_position, last_position, first_day, last_day, entries)
select ?
     , value ->> 0
     , value ->> 1
     , value ->> 2
     , value ->> 3
     , value ->> 4
     , value ->> 5
     , cast(substr(?, 1 + (value ->> 6), value ->> 7) as text)
  from jsonb_each(?)
 where true
    on conflict (hall, stream, segment) do update
   set first_position = min(first_position, excluded.first_position)
     , last_position  = max(last_position, excluded.last_position)
     , first_day      = min(first_day, excluded.first_day)
     , last_day       = max(last_day, excluded.last_day)
     , entries        = entries || excluded.entries;

-- Moves lines; an array of [stream, number, hash, position, recorded_at].
insert into head (hall, stream, number, hash, position, recorded_at)
select ?, value ->> 0, value ->> 1, unhex(value ->> 2), value ->> 3, value ->> 4
  from jsonb_each(?)
 where true
    on conflict (hall, stream) do update
   set number      = excluded.number
     , hash        = excluded.hash
     , position    = excluded.position
     , recorded_at = excluded.recorded_at;
