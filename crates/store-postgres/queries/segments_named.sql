-- The entries of the named segments.
select segment.stream, segment.segment, segment.entries
  from unnest($2::text[], $3::bigint[]) as it (stream, segment)
  join segment on segment.hall = $1 and segment.stream = it.stream and segment.segment = it.segment
