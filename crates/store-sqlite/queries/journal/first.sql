-- The first sequence from ?1 on that is there.
select sequence as "sequence!: i64"
  from journal
 where sequence >= ?1
 order by sequence
 limit 1
