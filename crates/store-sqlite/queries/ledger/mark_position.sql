-- The event ?1 is in the journal at ?2.
update ledger set position = ?2 where number = ?1
