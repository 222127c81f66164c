-- What is not settled of line ?2 of hall ?1; the index is by line.
select position, stream, number, standing, code, detail, settled
  from exception
 where hall = ?1
   and stream = ?2
   and settled is null
 order by position, place
