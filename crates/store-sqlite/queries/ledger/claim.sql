-- Makes a new file the ledger of one terminal; a file that is one already keeps its identity.
insert into ledger_identity (id, hall, terminal, made_at)
select 1, ?1, ?2, ?3
 where not exists (select 1 from ledger_identity)
