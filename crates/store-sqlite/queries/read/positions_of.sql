-- First positions of numbers of hall ?1 that have no entry: of a fact, else of what came under the number and was
-- not taken. ?2 is an array of [stream, number]; the answer is in its order.
select coalesce(
           (select min(position)
              from fact indexed by fact_by_number
             where hall = ?1 and stream = asked.value ->> 0 and number = asked.value ->> 1),
           (select min(position)
              from exception indexed by exception_by_number
             where hall = ?1 and stream = asked.value ->> 0 and number = asked.value ->> 1)
       ) as "position: i64"
  from jsonb_each(?2) as asked
 order by asked.key
