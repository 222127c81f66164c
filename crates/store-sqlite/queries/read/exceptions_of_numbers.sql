-- What was said of hall ?1 under numbers, settled or not; ?2 is an array of [stream, number].
select position as "position!", stream, number, standing, code, detail, settled
  from exception indexed by exception_by_number
 where hall = ?1
   and (stream, number) in (select asked.value ->> 0, asked.value ->> 1 from jsonb_each(?2) as asked)
 order by position, place
