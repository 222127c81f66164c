//! The hall's set-up as it stands after a number of set-up events.

use std::collections::{BTreeMap, HashMap};

use crate::counting::Rules;
use crate::event::{Right, Setup};
use crate::id::{DepartmentId, MatterId, ObjectId, TerminalId, UserId, WindowId};

/// A counter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Window {
    /// Display name.
    pub name: String,
    /// Whether day closes are due.
    pub open: bool,
}

/// A device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Terminal {
    /// The counter it stands on.
    pub window: WindowId,
    /// Whether its events are taken.
    pub active: bool,
}

/// A department.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Department {
    /// The name of print.
    pub name: String,
    /// Other names in use.
    pub aliases: Vec<String>,
}

/// A person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// Rights held.
    pub rights: Vec<Right>,
    /// False: may do nothing any more.
    pub active: bool,
}

/// Everything the rules need to know of the hall's set-up.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Registry {
    /// Display name and issuing body.
    pub hall: Option<(String, String)>,
    /// Counters.
    pub windows: BTreeMap<WindowId, Window>,
    /// Devices.
    pub terminals: HashMap<TerminalId, Terminal>,
    /// Departments.
    pub departments: BTreeMap<DepartmentId, Department>,
    /// Matters with their departments.
    pub matters: HashMap<MatterId, DepartmentId>,
    /// People.
    pub users: BTreeMap<UserId, User>,
    /// Counting rules.
    pub rules: Rules,
}

impl Registry {
    /// Folds one set-up event. An entry whose id does not fit its topic changes nothing: history is never refused.
    pub fn evolve(&mut self, id: &ObjectId, setup: &Setup) {
        match setup {
            Setup::Hall { name, publisher } => {
                self.hall = Some((name.clone(), publisher.clone()));
            }
            Setup::Window { name, open } => {
                if let Ok(id) = id.as_str().parse() {
                    self.windows.insert(id, Window { name: name.clone(), open: *open });
                }
            }
            Setup::Terminal { window, active } => {
                if let Ok(id) = id.as_str().parse() {
                    let terminal = Terminal { window: window.clone(), active: *active };
                    self.terminals.insert(id, terminal);
                }
            }
            Setup::Department { name, aliases } => {
                if let Ok(id) = id.as_str().parse() {
                    let department = Department { name: name.clone(), aliases: aliases.clone() };
                    self.departments.insert(id, department);
                }
            }
            Setup::Matter { department, .. } => {
                if let Ok(id) = id.as_str().parse() {
                    self.matters.insert(id, department.clone());
                }
            }
            Setup::User { rights, active } => {
                if let Ok(id) = id.as_str().parse() {
                    self.users.insert(id, User { rights: rights.clone(), active: *active });
                }
            }
            Setup::Rules(rules) => self.rules = rules.clone(),
            Setup::Checklist { .. }
            | Setup::Template { .. }
            | Setup::Calendar { .. }
            | Setup::Figures { .. } => {}
        }
    }

    /// Whether `user` holds `right`. A hall that has set up no people yet lets everybody do everything, so
    /// that the first administrator can be entered.
    #[must_use]
    pub fn may(&self, user: Option<&UserId>, right: Right) -> bool {
        self.users.is_empty()
            || user
                .and_then(|it| self.users.get(it))
                .is_some_and(|it| it.active && it.rights.contains(&right))
    }

    /// The department with this name or alias.
    #[must_use]
    pub fn department_named(&self, name: &str) -> Option<&DepartmentId> {
        self.departments
            .iter()
            .find(|(_, it)| it.name == name || it.aliases.iter().any(|alias| alias == name))
            .map(|(id, _)| id)
    }

    /// The name of print of a department, its id where it was never set up.
    #[must_use]
    pub fn department_name<'a>(&'a self, id: &'a DepartmentId) -> &'a str {
        self.departments.get(id).map_or(id.as_str(), |it| it.name.as_str())
    }
}
