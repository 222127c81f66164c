-- Claims a hall: every earlier epoch is fenced from now on.
--
-- Waits for a commit under way, because both change the hall's row.
insert into checkpoint (hall, epoch)
values ($1, 1)
on conflict (hall) do update
   set epoch = checkpoint.epoch + 1
returning epoch
