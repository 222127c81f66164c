-- Figures of the named issues.
select issue, definition, span, partition_by, part, amount, events
  from figure
 where hall = $1
   and issue = any($2::text[])
