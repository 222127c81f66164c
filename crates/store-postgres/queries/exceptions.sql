-- Events that did not simply count; $2 leaves out those that are settled.
select position, stream, number, standing, code, detail, settled
  from exception
 where hall = $1
   and (settled is null or not $2::boolean)
 order by position, place
