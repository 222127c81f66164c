-- What one terminal recorded: numbers 1, 2, 3, … without a gap, each event with the hash of the one before it.

create table ledger_identity (
    id              integer primary key check (id = 1),
    hall            text    not null,
    terminal        text    not null,
    -- Microseconds since 1970 (UTC), by the terminal's clock.
    made_at         integer not null,
    -- How far the journal has come, as last heard: number and position of its last message, 0 for none.
    stored_number   integer not null default 0,
    stored_position integer not null default 0,
    -- Why nothing more is sent, and which event it is about.
    stop_code       text,
    stop_number     integer,
    check ((stop_code is null) = (stop_number is null))
) strict;

create table ledger (
    number    integer primary key,
    -- CloudEvents headers, one `name:value` a line.
    headers   text    not null,
    -- The bytes as they came: they are hashed and signed.
    body      blob    not null,
    hash      blob    not null check (length(hash) = 32),
    -- Idempotency key of whoever recorded it.
    command   text,
    -- When it was written here: the clock of the wall, in microseconds since 1970 (UTC), the clock that never jumps, in
    -- microseconds since the machine was switched on, and which time it was switched on.
    wall      integer not null,
    monotonic integer not null,
    boot      text    not null,
    -- Where the journal has it, once that was heard.
    position  integer
) strict;

create unique index ledger_by_command on ledger (command) where command is not null;

create trigger ledger_has_no_gap
before insert on ledger
when new.number is not (select coalesce(max(number), 0) + 1 from ledger)
begin
    select raise(abort, 'the ledger takes the next number only');
end;

create trigger ledger_never_changes
before update of number, headers, body, hash, command, wall, monotonic, boot on ledger
begin
    select raise(abort, 'the ledger is append-only');
end;

create trigger ledger_never_shrinks
before delete on ledger
begin
    select raise(abort, 'the ledger is append-only');
end;

create trigger ledger_identity_never_changes
before update of hall, terminal, made_at on ledger_identity
begin
    select raise(abort, 'a ledger keeps its identity');
end;

create trigger ledger_identity_never_goes
before delete on ledger_identity
begin
    select raise(abort, 'a ledger keeps its identity');
end;
