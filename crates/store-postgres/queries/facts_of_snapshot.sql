-- All facts but those of the windows' lines.
select position, stream, number, kind, occurred_at, recorded_at, actor, command, counted, digest, body
  from fact
 where hall = $1
   and not starts_with(stream, 'terminal.')
 order by position
