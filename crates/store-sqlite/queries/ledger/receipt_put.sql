insert into ledger_receipt (id, key, text) values (1, ?, ?)
    on conflict (id) do update
   set key  = excluded.key
     , text = excluded.text
