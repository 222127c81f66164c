-- The message at a sequence.
select sequence, subject, recorded_at, headers, body
  from journal
 where sequence = ?1
