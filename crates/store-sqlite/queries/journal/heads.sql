-- The last sequence of each subject of the JSON array ?1, in its order, 0 for none; and beside each the end of the
-- whole journal: its last sequence and when that was recorded, 0 for an empty one.
select coalesce((select max(sequence) from journal where subject = wanted.value), 0) as "last!: i64"
     , coalesce((select max(sequence) from journal), 0) as "end!: i64"
     , coalesce((select recorded_at from journal where sequence = (select max(sequence) from journal)), 0) as "recorded_at!: i64"
  from json_each(?1) as wanted
 order by wanted.key
