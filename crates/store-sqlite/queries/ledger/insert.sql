-- Writes the next event.
insert into ledger (number, headers, body, hash, command, wall, monotonic, boot)
values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
