-- Cases of hall ?1 among the array ?2 of case numbers.
select known.id          as "id!"
     , known.accepted    as "accepted?"
     , known.issued      as "issued?"
     , known.transferred as "transferred!"
     , known.department  as "department?"
  from json_each(?2) as asked
 cross join case_file as known
    on known.hall = ?1
   and known.id   = asked.value
