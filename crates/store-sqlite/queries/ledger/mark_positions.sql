-- The events after ?1 are in the journal at the positions of ?2, a JSON array.
update ledger
   set position = at.value
  from json_each(?2) as at
 where ledger.number = ?1 + 1 + at.key
