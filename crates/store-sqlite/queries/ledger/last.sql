-- The last event.
select number, hash from ledger order by number desc limit 1
