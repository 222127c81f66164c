-- Moves the checkpoint of hall ?1 from ?3 on.
--
-- Guarded on claim and old position: of several projectors exactly one changes a row, and it is the one that
-- claimed last. The others see zero rows affected and must stop.
update checkpoint
   set incarnation = ?4
     , sequence    = ?5
     , hash        = ?6
     , stored      = ?7
     , counted     = ?8
     , flagged     = ?9
     , quarantined = ?10
     , held        = ?11
     , repeated    = ?12
 where hall     = ?1
   and epoch    = ?2
   and sequence = ?3
