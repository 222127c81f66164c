-- Rows of hall ?1 in which entries are looked for; ?2 is an array of [stream, segment].
select known.stream as "stream!", known.segment as "segment!", known.entries as "entries!"
  from jsonb_each(?2) as asked
 cross join segment as known
    on known.hall    = ?1
   and known.stream  = asked.value ->> 0
   and known.segment = asked.value ->> 1
