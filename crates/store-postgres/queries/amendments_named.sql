-- The effect that the named originals have now, where they were amended.
select amendment.stream, amendment.number, amendment.current
  from unnest($2::text[], $3::bigint[]) as it (stream, number)
  join amendment on amendment.hall = $1 and amendment.stream = it.stream and amendment.number = it.number
