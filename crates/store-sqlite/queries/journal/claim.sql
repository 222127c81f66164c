-- Makes a new file the journal of one hall; a file that is one already keeps its identity.
insert into journal_identity (id, incarnation, hall, created_at)
select 1, ?1, ?2, ?3
 where not exists (select 1 from journal_identity)
