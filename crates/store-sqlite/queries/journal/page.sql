-- The next messages from a sequence on.
select sequence, subject, recorded_at, headers, body
  from journal
 where sequence >= ?1
 order by sequence
 limit ?2
