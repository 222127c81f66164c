-- Position of the first fact of hall ?1 that bears the idempotency key ?2.
select min(position) as "position: i64"
  from fact indexed by fact_by_command
 where hall    = ?1
   and command = ?2
