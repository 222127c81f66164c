-- The read models of all halls. Everything here can be dropped and folded again from the journal.
--
-- Names are unqualified: the schema comes from search_path, so a rebuild makes a second copy beside the live one.
-- hall: its code as a number (`013100` is 13100), which makes every index smaller and faster than a text does.
-- Keys compare by bytes (collation "C"), as they do in Rust and in SQLite. Positions and numbers are bigint, days are
-- dates of the hall. Moments are texts in RFC 3339, UTC: timestamptz would cut nanoseconds off.
--
-- Rows that are updated by many pages have room in their blocks (fillfactor), and no index on a column that
-- changes, so that an update stays within its block and touches no index (HOT).

-- How far a hall has come. A row without an incarnation is claimed but has nothing folded yet.
create table checkpoint (
    hall        integer not null primary key,
    epoch       bigint not null,
    incarnation text,
    sequence    bigint not null default 0,
    hash        bytea,
    stored      bigint not null default 0,
    counted     bigint not null default 0,
    flagged     bigint not null default 0,
    quarantined bigint not null default 0,
    held        bigint not null default 0,
    repeated    bigint not null default 0,
    updated_at  timestamptz not null default now()
) with (fillfactor = 20);

-- The last event of each line.
create table head (
    hall        integer not null,
    stream      text   collate "C" not null,
    number      bigint not null,
    hash        bytea  not null,
    position    bigint not null,
    recorded_at text   not null,
    primary key (hall, stream)
) with (fillfactor = 20);

-- Sums of what counts; cells that come to nothing are deleted.
create table tally (
    hall       integer not null,
    day        date   not null,
    window_id  text   collate "C" not null,
    department text   collate "C" not null,
    kind       text   collate "C" not null,
    amount     bigint not null,
    events     bigint not null,
    primary key (hall, day, window_id, department, kind)
) with (fillfactor = 70);

-- The record of what counts: up to 256 numbers of one line in a row.
create table segment (
    hall           integer not null,
    stream         text   collate "C" not null,
    segment        bigint not null,
    first_position bigint not null,
    last_position  bigint not null,
    first_day      date   not null,
    last_day       date   not null,
    entries        text   not null,
    primary key (hall, stream, segment)
) with (fillfactor = 50);

-- Every page appends to entries, which compresses them anew. lz4 costs no time and saves two thirds of space and log;
-- a server built without it keeps them as they are, because the older method takes half as long again.
do $$
begin
    alter table segment alter column entries set compression lz4;
exception when feature_not_supported then
    alter table segment alter column entries set storage external;
end
$$;

-- What has counted for a case, and the events that name it, each followed by a space.
create table case_file (
    hall        integer not null,
    id          text   collate "C" not null,
    accepted    text,
    issued      text,
    transferred bigint not null,
    department  text,
    events      text   not null,
    primary key (hall, id)
) with (fillfactor = 70);

-- Days closed by windows.
create table day_close (
    hall        integer not null,
    window_id   text   collate "C" not null,
    day         date   not null,
    consulted   bigint not null,
    accepted    bigint not null,
    issued      bigint not null,
    transferred bigint not null,
    position    bigint not null,
    primary key (hall, window_id, day)
);

-- Events that did not simply count; an event may have several, told apart by place.
create table exception (
    hall     integer not null,
    position bigint  not null,
    place    bigint  not null,
    stream   text    collate "C" not null,
    number   bigint  not null,
    standing text    not null,
    code     text    not null,
    detail   text    not null,
    settled  bigint,
    primary key (hall, position, place)
);

-- A settlement names line and number.
create index exception_number on exception (hall, stream, number);

-- Events outside the windows' lines, as they are.
create table fact (
    hall        integer not null,
    position    bigint  not null,
    stream      text    collate "C" not null,
    number      bigint  not null,
    kind        text    not null,
    occurred_at text    not null,
    recorded_at text    not null,
    actor       text,
    command     text    collate "C",
    counted     boolean not null,
    digest      bytea   not null,
    body        text    not null,
    primary key (hall, position)
);

-- The first content under a number.
create index fact_number on fact (hall, stream, number);

-- A repeated command answers with the first position.
create index fact_command on fact (hall, command, position) where command is not null;

-- The effect that an amended original has now, as a line of the record.
create table amendment (
    hall    integer not null,
    stream  text   collate "C" not null,
    number  bigint not null,
    current text   not null,
    primary key (hall, stream, number)
) with (fillfactor = 70);

-- Later facts about days of frozen periods.
create table adjustment (
    hall     integer not null,
    position bigint not null,
    place    bigint not null,
    day      date   not null,
    kind     text   not null,
    amount   bigint not null,
    events   bigint not null,
    cause    text   not null,
    primary key (hall, position, place)
);

-- Frozen figures.
create table figure (
    hall         integer not null,
    issue        text   collate "C" not null,
    definition   text   collate "C" not null,
    span         text   collate "C" not null,
    partition_by text   collate "C" not null,
    part         text   collate "C" not null,
    amount       bigint not null,
    events       bigint not null,
    primary key (hall, issue, definition, span, partition_by, part)
);
