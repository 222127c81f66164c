-- What the device knows of its own clock.
select server, wall, monotonic, boot, uncertainty, jump, jump_number from clock
