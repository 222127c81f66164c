-- Moves the checkpoint of hall $1 from sequence $3 on, for the claim $2.
--
-- Guarded on claim and sequence: of two projectors exactly one changes a row, and it holds the row until its commit.
-- The other sees zero rows and must stop.
update checkpoint
   set incarnation = $4
     , sequence    = $5
     , hash        = $6
     , stored      = $7
     , counted     = $8
     , flagged     = $9
     , quarantined = $10
     , held        = $11
     , repeated    = $12
     , updated_at  = now()
 where hall     = $1
   and epoch    = $2
   and sequence = $3
