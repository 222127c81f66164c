-- Says what amended originals of hall ?1 are now; ?2 is an array of [stream, number, current].
insert into amendment (hall, stream, number, current)
select ?1, value ->> 0, value ->> 1, value ->> 2
  from jsonb_each(?2)
 where true
    on conflict (hall, stream, number) do update set current = excluded.current
