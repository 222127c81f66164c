-- Segments whose days meet $2 to $3 (days since 1970; null: none), or that have an entry after position $4.
select stream, segment, first_position, last_position
     , first_day - date '1970-01-01' as "first_day!"
     , last_day - date '1970-01-01' as "last_day!"
     , entries
  from segment
 where hall = $1
   and ((first_day <= date '1970-01-01' + $3::int and last_day >= date '1970-01-01' + $2::int)
        or last_position > $4::bigint)
 order by stream, segment
