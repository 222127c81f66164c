-- Facts of hall ?1 outside the windows' lines.
select position    as "position!"
     , stream      as "stream!"
     , number      as "number!"
     , kind        as "kind!"
     , occurred_at as "occurred_at!"
     , recorded_at as "recorded_at!"
     , actor       as "actor?"
     , command     as "command?"
     , counted     as "counted!"
     , digest      as "digest!"
     , body        as "body!"
  from fact
 where hall = ?1
   and (stream < 'terminal.' or stream >= 'terminal/')
 order by position
