-- First positions of numbers that have no entry, in the order asked: of a fact, else of what came under the number
-- and was not taken.
select coalesce(
           (select min(position) from fact
             where hall = $1 and fact.stream = it.stream and fact.number = it.number),
           (select min(position) from exception
             where hall = $1 and exception.stream = it.stream and exception.number = it.number)
       ) as position
  from unnest($2::text[], $3::bigint[]) with ordinality as it (stream, number, place)
 order by it.place
