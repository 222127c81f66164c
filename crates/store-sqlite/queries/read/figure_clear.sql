-- Removes the figures of issues of hall ?1 that are frozen again; ?2 is an array of issues.
delete from figure
 where hall = ?1
   and issue in (select value from json_each(?2))
