-- The journal of one hall: append-only, sequences 1, 2, 3, … without a gap.

create table journal_identity (
    id          integer primary key check (id = 1),
    -- Random, made once: another or shorter journal is never taken for this one.
    incarnation text    not null,
    hall        text    not null,
    -- Microseconds since 1970 (UTC).
    created_at  integer not null
) strict;

create table journal (
    sequence    integer primary key,
    subject     text    not null,
    -- Microseconds since 1970 (UTC); never goes back.
    recorded_at integer not null check (recorded_at >= 0),
    -- CloudEvents headers, one `name:value` a line.
    headers     text    not null,
    -- The bytes as they came: they are hashed and signed.
    body        blob    not null
) strict;

-- The rowid, which is the sequence, is part of every index: this is (subject, sequence).
create index journal_by_subject on journal (subject);

create trigger journal_has_no_gap
before insert on journal
when new.sequence is not (select coalesce(max(sequence), 0) + 1 from journal)
begin
    select raise(abort, 'the journal takes the next sequence only');
end;

create trigger journal_never_changes
before update on journal
begin
    select raise(abort, 'the journal is append-only');
end;

create trigger journal_never_shrinks
before delete on journal
begin
    select raise(abort, 'the journal is append-only');
end;

create trigger journal_identity_is_given_once
before insert on journal_identity
when exists (select 1 from journal_identity)
begin
    select raise(abort, 'a journal keeps its identity');
end;

create trigger journal_identity_never_changes
before update on journal_identity
begin
    select raise(abort, 'a journal keeps its identity');
end;

create trigger journal_identity_never_goes
before delete on journal_identity
begin
    select raise(abort, 'a journal keeps its identity');
end;
