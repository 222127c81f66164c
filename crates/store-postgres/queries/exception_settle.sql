-- Settles exceptions: each by the first settlement of its line and number after it, whatever the pages were.
-- `message`: position of the message whose exceptions these are, 0 for all of the number that are not of a message that
-- its line passed over (`passes_over`): those are settled by naming the message.
update exception
   set settled = first.position
  from (select exception.hall, exception.position as of, exception.place, min(it.position) as position
          from unnest($2::text[], $3::bigint[], $4::bigint[], $5::bigint[]) as it (stream, number, position, message)
          join exception on exception.hall = $1
           and exception.stream = it.stream
           and exception.number = it.number
           and exception.position < it.position
           and (   it.message = exception.position
                or it.message = 0
                   and exception.code not in ('E.104', 'E.107', 'E.108', 'E.115', 'E.116'))
           and exception.settled is null
         group by exception.hall, exception.position, exception.place) as first
 where exception.hall     = $1
   and exception.position = first.of
   and exception.place    = first.place
