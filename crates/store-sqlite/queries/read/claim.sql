-- Claims hall ?1: every earlier claim is fenced from now on.
insert into checkpoint (hall, epoch)
values (?1, 1)
    on conflict (hall) do update set epoch = epoch + 1
returning epoch
