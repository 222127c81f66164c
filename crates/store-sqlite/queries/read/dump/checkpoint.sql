-- The checkpoint of hall ?1 as one line. ?2 is empty; the claim is left out.
select cast(sequence as text) as "key!: String"
     , json_array(
           incarnation, lower(hex(hash)), stored, counted, flagged, quarantined, held, repeated
       ) as "columns!: String"
  from checkpoint
 where hall     = ?1
   and sequence > 0
   and ?2       = ''
 limit ?3
