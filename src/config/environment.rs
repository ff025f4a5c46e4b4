//! The environment as it was when this process started.
//!
//! Enters: the process's variables, or a test's. Leaves: text by name. Promises: of a value that is not UTF-8 only
//! the variable's name is kept, not its bytes, so that a reader of that variable can report a mistake.

use std::collections::BTreeSet;
use std::collections::btree_map::{self, BTreeMap};
use std::ffi::OsString;

/// A snapshot of the environment.
#[derive(Clone, Default)]
pub struct Environment {
    variables: BTreeMap<String, String>,
    unreadable: BTreeSet<String>,
}

impl Environment {
    /// The environment of this process.
    #[must_use]
    pub fn of_process() -> Self {
        std::env::vars_os().collect()
    }

    /// A variable's text, with its spaces.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&String> {
        self.variables.get(name)
    }

    /// Is there a variable of this name, whatever its value?
    #[must_use]
    pub fn contains_key(&self, name: &str) -> bool {
        self.variables.contains_key(name) || self.unreadable.contains(name)
    }

    /// The names of all variables that are UTF-8.
    pub fn keys(&self) -> impl Iterator<Item = &String> {
        self.variables.keys()
    }

    /// All variables that are UTF-8.
    pub fn iter(&self) -> btree_map::Iter<'_, String, String> {
        self.variables.iter()
    }

    /// Does this variable hold a value that is not UTF-8?
    #[must_use]
    pub(crate) fn is_unreadable(&self, name: &str) -> bool {
        self.unreadable.contains(name)
    }

    /// The names of the variables that hold a value that is not UTF-8.
    pub fn unreadable(&self) -> impl Iterator<Item = &str> {
        self.unreadable.iter().map(String::as_str)
    }
}

/// A variable's value, without the spaces around it. `None` if it is unset, empty or spaces alone.
#[must_use]
pub(crate) fn set<'e>(environment: &'e Environment, name: &str) -> Option<&'e str> {
    environment.get(name).map(|value| value.trim()).filter(|value| !value.is_empty())
}

/// Does a variable have a value, even one that is not UTF-8?
#[must_use]
pub(crate) fn is_given(environment: &Environment, name: &str) -> bool {
    set(environment, name).is_some() || environment.is_unreadable(name)
}

impl FromIterator<(OsString, OsString)> for Environment {
    /// A variable whose name is not UTF-8 is left out: nothing here reads such a name.
    fn from_iter<I: IntoIterator<Item = (OsString, OsString)>>(variables: I) -> Self {
        let mut environment = Self::default();
        for (name, value) in variables {
            match (name.into_string(), value.into_string()) {
                (Ok(name), Ok(value)) => drop(environment.variables.insert(name, value)),
                (Ok(name), Err(_)) => drop(environment.unreadable.insert(name)),
                (Err(_), _) => {}
            }
        }
        environment
    }
}

impl FromIterator<(String, String)> for Environment {
    fn from_iter<I: IntoIterator<Item = (String, String)>>(variables: I) -> Self {
        Self { variables: variables.into_iter().collect(), unreadable: BTreeSet::new() }
    }
}

impl<const N: usize> From<[(String, String); N]> for Environment {
    fn from(variables: [(String, String); N]) -> Self {
        variables.into_iter().collect()
    }
}

/// Shows names only: a value may be a password.
impl std::fmt::Debug for Environment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names = self.keys().map(String::as_str).chain(self.unreadable());
        f.debug_list().entries(names).finish()
    }
}
