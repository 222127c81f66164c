-- Cases of hall ?1 after case ?2.
select id as "key!: String"
     , json_array(accepted, issued, transferred, department, events) as "columns!: String"
  from case_file
 where hall = ?1
   and id   > ?2
 order by id
 limit ?3
