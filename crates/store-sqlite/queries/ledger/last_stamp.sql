-- When the last event was written, by three clocks.
select wall, monotonic, boot from ledger order by number desc limit 1
