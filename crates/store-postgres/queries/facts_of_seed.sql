-- Facts that make up what a projector knows: all but those of the desk, releases and audits.
select position, stream, number, kind, occurred_at, recorded_at, actor, command, counted, digest, body
  from fact
 where hall = $1
   and not starts_with(stream, 'desk.')
   and stream not in ('quarantine', 'audit')
 order by position
