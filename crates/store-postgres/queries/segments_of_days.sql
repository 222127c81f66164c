-- Segments whose days meet $2 to $3 (days since 1970; null: none), or that have an entry after position $4; and where all
-- entries of such a segment are after it, the segment before: its last entry is the head of the line at the position.
with found as (
    select stream, segment
      from segment
     where hall = $1
       and ((first_day <= date '1970-01-01' + $3::int and last_day >= date '1970-01-01' + $2::int)
            or last_position > $4::bigint)
     union
    select later.stream
         , (select max(segment) from segment where hall = $1 and stream = later.stream and segment < later.segment)
      from segment as later
     where later.hall = $1
       and later.last_position > $4::bigint
       and later.first_position > $4::bigint
)
select stream, segment, first_position, last_position
     , first_day - date '1970-01-01' as "first_day!"
     , last_day - date '1970-01-01' as "last_day!"
     , entries
  from segment
  join found using (stream, segment)
 where hall = $1
 order by stream, segment
