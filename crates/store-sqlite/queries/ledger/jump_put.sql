-- How far the clock of the wall has jumped since the last contact.
insert into clock (id, jump, jump_number)
values (1, ?1, ?2)
    on conflict (id) do update
   set jump = excluded.jump
     , jump_number = excluded.jump_number
