-- The event that a command made.
select number, headers, body, hash from ledger where command = ?1
