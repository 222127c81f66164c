-- Figures of the issues of hall ?1 in the array ?2.
select issue, definition, span, partition, part, amount, events
  from figure
 where hall = ?1
   and issue in (select value from json_each(?2))
