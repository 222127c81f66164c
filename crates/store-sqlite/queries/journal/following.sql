-- The messages of one subject after a sequence: does a repeated append find itself there?
select sequence, subject, recorded_at, headers, body
  from journal
 where subject = ?1
   and sequence > ?2
 order by sequence
 limit ?3
