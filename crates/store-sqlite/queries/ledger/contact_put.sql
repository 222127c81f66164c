-- The time of the journal at a contact. What jumped before does not matter any more: the offset is known anew.
insert into clock (id, server, wall, monotonic, boot, uncertainty)
values (1, ?1, ?2, ?3, ?4, ?5)
    on conflict (id) do update
   set server = excluded.server
     , wall = excluded.wall
     , monotonic = excluded.monotonic
     , boot = excluded.boot
     , uncertainty = excluded.uncertainty
     , jump = null
     , jump_number = null
