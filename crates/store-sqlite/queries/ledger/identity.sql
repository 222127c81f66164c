-- Whose ledger this is, and how far the journal has come with it.
select hall, terminal, stored_number, stored_position, stop_code, stop_number from ledger_identity
