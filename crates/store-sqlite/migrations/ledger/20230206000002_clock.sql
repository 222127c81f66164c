-- What the device knows of its own clock, which may be wrong and may jump.

create table clock (
    id          integer primary key check (id = 1),
    -- The last contact: what time the journal had, in microseconds since 1970 (UTC), when the three clocks of this
    -- device stood so, and how far either may be off, in microseconds.
    server      integer,
    wall        integer,
    monotonic   integer,
    boot        text,
    uncertainty integer,
    -- By how much the clock of the wall has jumped since, in microseconds, and the first event after that.
    jump        integer,
    jump_number integer,
    check ((server is null) = (uncertainty is null)),
    check ((jump is null) = (jump_number is null))
) strict;
