-- Hall ?1 begins anew: nothing is folded, and every claim so far is fenced.
update checkpoint
   set epoch       = epoch + 1
     , incarnation = ''
     , sequence    = 0
     , hash        = zeroblob(32)
     , stored      = 0
     , counted     = 0
     , flagged     = 0
     , quarantined = 0
     , held        = 0
     , repeated    = 0
 where hall = ?1
