-- Deletes the figures of issues that get others.
delete from figure
 where hall = $1
   and issue = any($2::text[])
