-- The messages of some spans of sequences, one row a span: ?1 is a JSON array of their first sequences, ?2 the
-- length of a span less one, ?3 the last sequence wanted.
--
-- A row a message costs three times as much on its way out of SQLite. So a span comes as one text: of each message
-- seven numbers as characters (place in the span from 1 on; µs in three parts of 20 bits; bytes of subject, of
-- headers + 1 and of body + 1), then subject, headers and body as they are. `||` and `string_agg` keep all bytes.
select span.value + 0 as "first!: i64"
     , ( select cast(string_agg(
                    char( sequence - span.value + 1
                        , recorded_at >> 40, (recorded_at >> 20) & 0xfffff, recorded_at & 0xfffff
                        , octet_length(subject), octet_length(headers) + 1, octet_length(body) + 1
                        ) || subject || headers || body
                    , '') as blob)
           from journal
          where sequence between span.value and min(span.value + ?2, ?3)
       ) as "packed: Vec<u8>"
  from json_each(?1) as span
