select key, text from ledger_receipt where id = 1
