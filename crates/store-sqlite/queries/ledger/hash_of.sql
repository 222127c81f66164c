-- The hash under a number.
select hash from ledger where number = ?1
