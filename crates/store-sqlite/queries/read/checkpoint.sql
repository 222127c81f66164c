-- How far hall ?1 has come; no row where it was claimed but nothing folded yet.
select incarnation, sequence, hash, stored, counted, flagged, quarantined, held, repeated
  from checkpoint
 where hall = ?1
   and sequence > 0
