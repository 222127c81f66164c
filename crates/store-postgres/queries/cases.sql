-- What has counted for the named cases.
select id, accepted, issued, transferred, department
  from case_file
 where hall = $1
   and id = any($2::text[])
