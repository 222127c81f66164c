-- Facts of hall ?1 that evolve the projector's state: all lines but those of the desk and of persons' rulings.
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
   and (stream < 'desk.' or stream >= 'desk/')
   and stream not in ('quarantine', 'audit')
 order by position
