-- The events of boot ?1 after number ?2, at most ?3, that were written down before its first contact.
select number, headers, body, wall, monotonic, position
  from ledger
 where number > ?2
   and boot = ?1
   and instr(headers, 'ce-clockunsure:') > 0
 order by number
 limit ?3
