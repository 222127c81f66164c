-- What the hall has said last of this line, and whose signature it must bear.

create table ledger_receipt (
    id   integer primary key check (id = 1),
    -- Public key of the hall's receipts, 64 hexadecimal digits: the first that was seen, or one that a person trusts.
    key  text    not null,
    -- The signed text; empty: nothing yet.
    text text    not null
) strict;
