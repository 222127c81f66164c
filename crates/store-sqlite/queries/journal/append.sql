-- Appends a batch from sequence ?1 on, recorded at ?2.
--
-- ?3 is the headers and bodies of all messages, one after the other; ?4 says how to cut it, a JSON array of
-- [subject, offset, bytes of headers, bytes of body]. So one statement stores a batch, and bodies stay bytes: as
-- JSON texts they would have to be UTF-8.
insert into journal (sequence, subject, recorded_at, headers, body)
select ?1 + cut.key
     , cut.value ->> 0
     , ?2
     , cast(substr(?3, 1 + (cut.value ->> 1), cut.value ->> 2) as text)
     , substr(?3, 1 + (cut.value ->> 1) + (cut.value ->> 2), cut.value ->> 3)
  from json_each(?4) as cut
 order by cut.key
