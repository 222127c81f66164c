-- Settles open exceptions of hall ?1; ?2 is an array of [stream, number, position of what settled them,
-- position of the message whose they are, 0 for all of the number].
--
-- Each is settled by the first that comes after it, so that pages do not matter.
update exception
   set settled = (select min(by.value ->> 2)
                    from jsonb_each(?2) as by
                   where by.value ->> 0 = exception.stream
                     and by.value ->> 1 = exception.number
                     and by.value ->> 2 > exception.position
                     and by.value ->> 3 in (0, exception.position))
 where hall = ?1
   and (position, place) in (
           select waiting.position, waiting.place
             from jsonb_each(?2) as by
            cross join exception as waiting indexed by exception_by_number
               on waiting.hall     = ?1
              and waiting.stream   = by.value ->> 0
              and waiting.number   = by.value ->> 1
              and waiting.position < by.value ->> 2
              and by.value ->> 3 in (0, waiting.position)
              and waiting.settled is null
       )
