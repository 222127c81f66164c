-- Removes sums of hall ?1 that have come to nothing, by an index that holds no others.
--
-- Without this a rebuild in other pages would leave other rows: what is added and taken back in one page never
-- makes a row.
delete from tally indexed by tally_of_nothing
 where hall   = ?1
   and amount = 0
   and events = 0
