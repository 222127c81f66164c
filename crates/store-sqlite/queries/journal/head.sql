-- The last message of a subject.
select sequence, subject, recorded_at, headers, body
  from journal
 where subject = ?1
 order by sequence desc
 limit 1
