//! The hall's set-up as it stands after a number of set-up events.

use std::collections::{BTreeMap, HashMap};

use crate::counting::Rules;
use crate::event::{Right, Setup, TerminalKey};
use crate::id::{DepartmentId, MatterId, ObjectId, PublicKey, TerminalId, UserId, WindowId};

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

/// The keys of one device, as they stand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Keys {
    /// The latest entry.
    pub latest: TerminalKey,
    /// Keys whose signatures are taken: the latest, and those before it that vouched for their successor.
    pub valid: Vec<PublicKey>,
    /// Keys whose signatures are not taken any more.
    pub revoked: Vec<PublicKey>,
}

impl Keys {
    fn new(latest: TerminalKey) -> Self {
        let mut keys = Self { latest: latest.clone(), valid: Vec::new(), revoked: Vec::new() };
        keys.evolve(latest);
        keys
    }

    /// A key that an earlier one vouches for stands beside it, so that what was recorded before the change is taken
    /// whenever it is sent; any other takes the place of all before it.
    fn evolve(&mut self, key: TerminalKey) {
        let continues = self.valid.contains(&key.signing)
            || key.endorsement.as_ref().is_some_and(|it| self.valid.contains(&it.key));
        if key.revoked || !continues {
            self.revoked.append(&mut self.valid);
        }
        let of = if key.revoked { &mut self.revoked } else { &mut self.valid };
        if !of.contains(&key.signing) {
            of.push(key.signing);
        }
        // An administrator who enters a key again means it.
        if !key.revoked {
            self.revoked.retain(|it| *it != key.signing);
        }
        self.latest = key;
    }
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
    /// Keys of devices; what a device without any sends is taken unsigned.
    pub keys: HashMap<TerminalId, Keys>,
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
            Setup::Key(key) => {
                if let Ok(id) = id.as_str().parse() {
                    self.keys
                        .entry(id)
                        .and_modify(|it| it.evolve(key.clone()))
                        .or_insert_with(|| Keys::new(key.clone()));
                }
            }
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
