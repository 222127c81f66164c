-- Position of the first fact that bears an idempotency key.
select min(position) as position
  from fact
 where hall = $1
   and command = $2
