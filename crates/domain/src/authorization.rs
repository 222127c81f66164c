//! The authorization register (授权登记): who may take what, as of any day.

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::Date;

use crate::calendar::Period;
use crate::event::AuthorizationChange;
use crate::id::{DepartmentId, MatterId};
use crate::planted;

/// One change in the register.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// First day on which it holds.
    pub effective: Date,
    /// Position of the event that recorded it.
    pub position: u64,
    /// The department.
    pub department: DepartmentId,
    /// What changed.
    pub change: AuthorizationChange,
}

/// The register: all changes, each department's in the order in which they hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Register {
    departments: BTreeMap<DepartmentId, Vec<Entry>>,
}

impl Register {
    /// Folds one change. Of two changes for one day the later recorded one holds.
    pub fn evolve(&mut self, entry: Entry) {
        let entries = self.departments.entry(entry.department.clone()).or_default();
        let place = entries
            .partition_point(|it| (it.effective, it.position) <= (entry.effective, entry.position));
        entries.insert(place, entry);
    }

    fn until(
        &self,
        department: &DepartmentId,
        day: Date,
    ) -> impl DoubleEndedIterator<Item = &Entry> {
        let entries = self.departments.get(department).map_or(&[][..], Vec::as_slice);
        entries[..entries.partition_point(|it| it.effective <= day)].iter()
    }

    /// Whether the department is authorised on `day`.
    #[must_use]
    pub fn is_authorised(&self, department: &DepartmentId, day: Date) -> bool {
        self.until(department, day)
            .rev()
            .find_map(|it| match it.change {
                AuthorizationChange::DepartmentAuthorised => Some(true),
                AuthorizationChange::DepartmentWithdrawn
                    if planted!(WithdrawnTooLate) && it.effective == day =>
                {
                    None
                }
                AuthorizationChange::DepartmentWithdrawn => Some(false),
                _ => None,
            })
            .unwrap_or(false)
    }

    /// Whether the matter may be taken on `day`: the department is authorised and, where the register lists
    /// items for it, the matter is among them.
    ///
    /// A department without a list takes all its matters. Removing items from that leaves all the others, and
    /// giving removed ones back begins no list; including any other item does.
    #[must_use]
    pub fn may_take(
        &self,
        department: &DepartmentId,
        matter: Option<&MatterId>,
        day: Date,
    ) -> bool {
        if !self.is_authorised(department, day) {
            return false;
        }
        let Some(matter) = matter else { return true };
        let mut list: Option<BTreeSet<&MatterId>> = None;
        let mut removed: BTreeSet<&MatterId> = BTreeSet::new();
        for entry in self.until(department, day) {
            match (&entry.change, &mut list) {
                (AuthorizationChange::ItemsIncluded(items), Some(list)) => list.extend(items),
                (AuthorizationChange::ItemsIncluded(items), None) => {
                    if items.iter().all(|it| removed.contains(it)) {
                        removed.retain(|it| !items.contains(it));
                    } else {
                        list = Some(items.iter().collect());
                    }
                }
                (AuthorizationChange::ItemsRemoved(items), Some(list)) => {
                    list.retain(|it| !items.contains(it));
                }
                (AuthorizationChange::ItemsRemoved(items), None) => removed.extend(items),
                (
                    AuthorizationChange::DepartmentAuthorised
                    | AuthorizationChange::DepartmentWithdrawn
                    | AuthorizationChange::RepresentativeReplaced { .. }
                    | AuthorizationChange::LetterSigned { .. },
                    _,
                ) => {}
            }
        }
        list.map_or_else(|| !removed.contains(matter), |list| list.contains(matter))
    }

    /// The departments authorised on `day`.
    #[must_use]
    pub fn authorised_on(&self, day: Date) -> BTreeSet<&DepartmentId> {
        self.departments.keys().filter(|it| self.is_authorised(it, day)).collect()
    }

    /// Changes that an issue has to tell ([`Period::tells`]), in the order in which they were recorded.
    #[must_use]
    pub fn changes_since(&self, previous: Option<(Date, u64)>, period: Period) -> Vec<&Entry> {
        let changes = self.departments.values().flatten();
        let mut changes: Vec<_> =
            changes.filter(|it| period.tells(previous, it.effective, it.position)).collect();
        changes.sort_by_key(|it| it.position);
        changes
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    fn register(changes: &[(i8, u64, AuthorizationChange)]) -> Register {
        let mut register = Register::default();
        for (day, position, change) in changes {
            register.evolve(Entry {
                effective: date(2023, 2, *day),
                position: *position,
                department: "tax".parse().unwrap(),
                change: change.clone(),
            });
        }
        register
    }

    fn tax() -> DepartmentId {
        "tax".parse().unwrap()
    }

    #[test]
    fn a_department_is_authorised_from_the_effective_day_on_until_withdrawn() {
        use AuthorizationChange::{DepartmentAuthorised, DepartmentWithdrawn};
        // Recorded out of order: the day decides, not the position.
        let register = register(&[(8, 1, DepartmentWithdrawn), (2, 2, DepartmentAuthorised)]);
        let on = |day| register.is_authorised(&tax(), date(2023, 2, day));
        assert_eq!([on(1), on(2), on(7), on(8)], [false, true, true, false]);
        assert_eq!(register.authorised_on(date(2023, 2, 3)).len(), 1);
    }

    #[test]
    fn of_two_changes_for_one_day_the_later_recorded_holds() {
        use AuthorizationChange::{DepartmentAuthorised, DepartmentWithdrawn};
        let register = register(&[(2, 5, DepartmentAuthorised), (2, 3, DepartmentWithdrawn)]);
        assert!(register.is_authorised(&tax(), date(2023, 2, 2)));
    }

    #[test]
    fn items_restrict_only_where_the_register_lists_them() {
        use AuthorizationChange::{DepartmentAuthorised, ItemsIncluded, ItemsRemoved};
        let (m1, m2): (MatterId, MatterId) = ("m1".parse().unwrap(), "m2".parse().unwrap());
        let open = register(&[(1, 1, DepartmentAuthorised)]);
        assert!(open.may_take(&tax(), Some(&m1), date(2023, 2, 3)));
        let listed = register(&[
            (1, 1, DepartmentAuthorised),
            (2, 2, ItemsIncluded(vec![m1.clone(), m2.clone()])),
            (4, 3, ItemsRemoved(vec![m1.clone()])),
        ]);
        assert!(listed.may_take(&tax(), Some(&m1), date(2023, 2, 3)));
        assert!(!listed.may_take(&tax(), Some(&m1), date(2023, 2, 4)));
        assert!(listed.may_take(&tax(), Some(&m2), date(2023, 2, 4)));
        assert!(listed.may_take(&tax(), None, date(2023, 2, 4)));
    }

    #[test]
    fn removing_items_from_a_department_without_a_list_leaves_all_others() {
        use AuthorizationChange::{DepartmentAuthorised, ItemsIncluded, ItemsRemoved};
        let (m1, m2): (MatterId, MatterId) = ("m1".parse().unwrap(), "m2".parse().unwrap());
        let register = register(&[
            (1, 1, DepartmentAuthorised),
            (2, 2, ItemsRemoved(vec![m1.clone()])),
            (4, 3, ItemsIncluded(vec![m1.clone()])),
            (6, 4, ItemsIncluded(vec![m2.clone()])),
        ]);
        let may = |matter, day| register.may_take(&tax(), Some(matter), date(2023, 2, day));
        assert_eq!([may(&m1, 2), may(&m1, 4), may(&m1, 6)], [false, true, false]);
        assert_eq!([may(&m2, 2), may(&m2, 4), may(&m2, 6)], [true, true, true]);
    }

    #[test]
    fn changes_since_the_previous_issue_include_days_between_and_late_records() {
        use AuthorizationChange::{DepartmentAuthorised, DepartmentWithdrawn};
        // The 4th is a Saturday; position 9 was recorded after the cut 8 for a day of the period before.
        let register = register(&[
            (3, 2, DepartmentAuthorised),
            (4, 3, DepartmentWithdrawn),
            (2, 9, DepartmentAuthorised),
            (6, 7, DepartmentAuthorised),
            (13, 10, DepartmentWithdrawn),
            // Of the day and the position at which the issue before ended: it has them.
            (3, 8, DepartmentAuthorised),
        ]);
        let period = Period::new(date(2023, 2, 6), date(2023, 2, 10)).unwrap();
        let positions = |previous| {
            let changes = register.changes_since(previous, period);
            changes.iter().map(|it| it.position).collect::<Vec<_>>()
        };
        assert_eq!(positions(Some((date(2023, 2, 3), 8))), [3, 7, 9]);
        assert_eq!(positions(None), [7]);
    }

    #[test]
    fn a_change_of_holder_is_no_change_of_scope() {
        let holder = AuthorizationChange::RepresentativeReplaced {
            representative: "u7".parse().unwrap(),
            letter: "2023-7".into(),
        };
        assert!(!holder.is_scope());
        assert!(AuthorizationChange::DepartmentWithdrawn.is_scope());
    }
}
