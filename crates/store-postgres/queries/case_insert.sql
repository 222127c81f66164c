-- Adds cases that have no row yet, for half the price of `case_upsert`.
insert into case_file (hall, id, accepted, issued, transferred, department, events)
select $1, * from unnest($2::text[], $3::text[], $4::text[], $5::bigint[], $6::text[], $7::text[])
