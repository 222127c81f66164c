-- The read models of many halls: what a fold of their journals comes to. May be deleted at any time.
--
-- hall: its code as a number (`013100` is 13100). Days: year, month and day as one number, 20230206.
-- Instants: RFC 3339 in UTC. Positions and numbers: 64 bits; the few that an event may claim beyond 2^63 − 1
-- are kept as negative numbers and read back as they were.

create table checkpoint (
    hall        integer primary key,
    -- Claims so far; the latest one writes.
    epoch       integer not null,
    incarnation text    not null default '',
    -- 0: nothing is folded yet.
    sequence    integer not null default 0,
    hash        blob    not null default (zeroblob(32)),
    stored      integer not null default 0,
    counted     integer not null default 0,
    flagged     integer not null default 0,
    quarantined integer not null default 0,
    held        integer not null default 0,
    repeated    integer not null default 0
) strict;

create table head (
    hall        integer not null,
    stream      text    not null,
    number      integer not null,
    hash        blob    not null,
    position    integer not null,
    recorded_at text    not null,
    primary key (hall, stream)
) strict, without rowid;

-- A sum of nothing has no row.
create table tally (
    hall       integer not null,
    day        integer not null,
    window     text    not null,
    department text    not null,
    kind       text    not null,
    amount     integer not null,
    events     integer not null,
    primary key (hall, day, window, department, kind)
) strict, without rowid;

-- Holds rows only within a commit, between a statement that adds and the one that sweeps.
create index tally_of_nothing on tally (hall) where amount = 0 and events = 0;

-- With a rowid: rows are long, and a row that grows must not move its neighbours.
create table segment (
    hall           integer not null,
    stream         text    not null,
    segment        integer not null,
    first_position integer not null,
    last_position  integer not null,
    first_day      integer not null,
    last_day       integer not null,
    -- Lines of twelve tab-separated fields.
    entries        text    not null,
    primary key (hall, stream, segment)
) strict;

create index segment_by_last_position on segment (hall, last_position);
create index segment_by_day on segment (hall, last_day, first_day);

create table case_file (
    hall        integer not null,
    id          text    not null,
    accepted    text,
    issued      text,
    transferred integer not null,
    department  text,
    -- Events that name the case, each followed by a space.
    events      text    not null,
    primary key (hall, id)
) strict, without rowid;

create table day_close (
    hall        integer not null,
    day         integer not null,
    window      text    not null,
    consulted   integer not null,
    accepted    integer not null,
    issued      integer not null,
    transferred integer not null,
    position    integer not null,
    primary key (hall, day, window)
) strict, without rowid;

create table exception (
    hall     integer not null,
    position integer not null,
    -- A message may be wrong in more than one way: 0, 1, … in the order of the fold.
    place    integer not null,
    stream   text    not null,
    number   integer not null,
    standing text    not null,
    code     text    not null,
    detail   text    not null,
    settled  integer,
    primary key (hall, position, place)
) strict, without rowid;

create index exception_by_number on exception (hall, stream, number);

create table fact (
    hall        integer not null,
    position    integer not null,
    stream      text    not null,
    number      integer not null,
    kind        text    not null,
    occurred_at text    not null,
    recorded_at text    not null,
    actor       text,
    command     text,
    counted     integer not null check (counted in (0, 1)),
    digest      blob    not null,
    body        text    not null,
    primary key (hall, position)
) strict;

create index fact_by_number on fact (hall, stream, number);
create index fact_by_command on fact (hall, command) where command is not null;

create table amendment (
    hall    integer not null,
    stream  text    not null,
    number  integer not null,
    -- One line as in a segment, without its line feed.
    current text    not null,
    primary key (hall, stream, number)
) strict, without rowid;

create table adjustment (
    hall     integer not null,
    position integer not null,
    place    integer not null,
    day      integer not null,
    kind     text    not null,
    amount   integer not null,
    events   integer not null,
    cause    text    not null,
    primary key (hall, position, place)
) strict, without rowid;

create table figure (
    hall       integer not null,
    issue      text    not null,
    definition text    not null,
    span       text    not null,
    partition  text    not null,
    part       text    not null,
    amount     integer not null,
    events     integer not null,
    primary key (hall, issue, definition, span, partition, part)
) strict, without rowid;
