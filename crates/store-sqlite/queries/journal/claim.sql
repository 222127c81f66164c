-- Makes a new file the journal of one hall; a file that is one already keeps its identity.
insert into journal_identity (id, incarnation, hall, created_at)
values (1, ?1, ?2, ?3)
    on conflict (id) do nothing
