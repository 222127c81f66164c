-- The journal has nothing after number ?1 any more.
update ledger set position = null where number > ?1 and position is not null
