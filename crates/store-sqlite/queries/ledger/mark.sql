-- How far the journal has come.
update ledger_identity set stored_number = ?1, stored_position = ?2
