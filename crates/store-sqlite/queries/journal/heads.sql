-- The last sequence of each subject of the JSON array ?1, in its order; 0 for none.
select coalesce((select max(sequence) from journal where subject = wanted.value), 0) as "last!: i64"
  from json_each(?1) as wanted
 order by wanted.key
