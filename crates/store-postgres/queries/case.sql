-- One case with its events.
select accepted, issued, transferred, department, events
  from case_file
 where hall = $1
   and id = $2
