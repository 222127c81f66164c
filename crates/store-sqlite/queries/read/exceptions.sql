-- Exceptions of hall ?1; ?2: only those that are not settled.
select position, stream, number, standing, code, detail, settled
  from exception
 where hall = ?1
   and (settled is null or not ?2)
 order by position, place
