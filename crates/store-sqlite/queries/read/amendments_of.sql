-- What originals of hall ?1 are now, where they were amended; ?2 is an array of [stream, number].
select known.stream as "stream!", known.number as "number!", known.current as "current!"
  from jsonb_each(?2) as asked
 cross join amendment as known
    on known.hall   = ?1
   and known.stream = asked.value ->> 0
   and known.number = asked.value ->> 1
