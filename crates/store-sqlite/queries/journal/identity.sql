-- Whose journal this is.
select incarnation, hall from journal_identity
