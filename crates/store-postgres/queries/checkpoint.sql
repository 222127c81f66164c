-- How far a hall has come; nothing for one that is only claimed.
select incarnation as "incarnation!"
     , sequence
     , hash as "hash!"
     , stored
     , counted
     , flagged
     , quarantined
     , held
     , repeated
  from checkpoint
 where hall = $1
   and incarnation is not null
