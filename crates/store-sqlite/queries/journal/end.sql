-- The last message's place and time, none when the journal is empty.
select sequence, recorded_at
  from journal
 order by sequence desc
 limit 1
