-- How far the journal goes; 0 when it is empty.
select coalesce(max(sequence), 0) as "last!: i64" from journal
