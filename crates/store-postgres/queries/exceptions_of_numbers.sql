-- What was said under these numbers, settled or not.
select position, stream, number, standing, code, detail, settled
  from exception
 where hall = $1
   and (stream, number) in (select * from unnest($2::text[], $3::bigint[]))
 order by position, place
