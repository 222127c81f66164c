-- Settles open exceptions of hall ?1; ?2 is an array of [stream, number, position of what settled them].
--
-- Each is settled by the first that comes after it, so that pages do not matter.
update exception
   set settled = found.settled
  from (
           select waiting.position, waiting.place, min(by.value ->> 2) as settled
             from jsonb_each(?2) as by
            cross join exception as waiting
               on waiting.hall     = ?1
              and waiting.stream   = by.value ->> 0
              and waiting.number   = by.value ->> 1
              and waiting.position < by.value ->> 2
              and waiting.settled is null
            group by waiting.position, waiting.place
       ) as found
 where exception.hall     = ?1
   and exception.position = found.position
   and exception.place    = found.place
