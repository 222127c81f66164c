-- Settles open exceptions of hall ?1; ?2 is an array of [stream, number, position of what settled them,
-- position of the message whose they are, 0 for all of the number that are not of a message that its line passed over
-- (`passes_over`): those are settled by naming the message].
--
-- Each is settled by the first that comes after it, so that pages do not matter.
update exception
   set settled = (select min(by.value ->> 2)
                    from jsonb_each(?2) as by
                   where by.value ->> 0 = exception.stream
                     and by.value ->> 1 = exception.number
                     and by.value ->> 2 > exception.position
                     and (   by.value ->> 3 = exception.position
                          or by.value ->> 3 = 0
                             and exception.code not in ('E.104', 'E.107', 'E.108', 'E.115', 'E.116')))
 where hall = ?1
   and (position, place) in (
           select waiting.position, waiting.place
             from jsonb_each(?2) as by
            cross join exception as waiting indexed by exception_by_number
               on waiting.hall     = ?1
              and waiting.stream   = by.value ->> 0
              and waiting.number   = by.value ->> 1
              and waiting.position < by.value ->> 2
              and (   by.value ->> 3 = waiting.position
                   or by.value ->> 3 = 0
                      and waiting.code not in ('E.104', 'E.107', 'E.108', 'E.115', 'E.116'))
              and waiting.settled is null
       )
