-- Why nothing more is sent, and which event it is about; null: sending goes on.
update ledger_identity set stop_code = ?1, stop_number = ?2
