//! The environment as it was when this process started.
//!
//! Enters: the process's variables, or a test's. Leaves: text by name. Promises: a value that is not UTF-8 is
//! known by its variable's name alone: whoever reads that variable has a fault to tell, and nobody has its bytes.

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
    /// This process's own.
    #[must_use]
    pub fn of_process() -> Self {
        std::env::vars_os().collect()
    }

    /// A variable's text, as it is.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&String> {
        self.variables.get(name)
    }

    /// Is there a variable of this name, whatever it says?
    #[must_use]
    pub fn contains_key(&self, name: &str) -> bool {
        self.variables.contains_key(name) || self.unreadable.contains(name)
    }

    /// The names of all that can be read.
    pub fn keys(&self) -> impl Iterator<Item = &String> {
        self.variables.keys()
    }

    /// All that can be read.
    pub fn iter(&self) -> btree_map::Iter<'_, String, String> {
        self.variables.iter()
    }

    /// Does this variable hold something that is no text?
    #[must_use]
    pub fn is_unreadable(&self, name: &str) -> bool {
        self.unreadable.contains(name)
    }

    /// The names of those that hold something that is no text.
    pub fn unreadable(&self) -> impl Iterator<Item = &str> {
        self.unreadable.iter().map(String::as_str)
    }
}

/// What a variable says, without the spaces around it. Nothing but spaces is nothing: none.
#[must_use]
pub fn set<'e>(environment: &'e Environment, name: &str) -> Option<&'e str> {
    environment.get(name).map(|value| value.trim()).filter(|value| !value.is_empty())
}

/// Does a variable say anything, if only what cannot be read?
#[must_use]
pub fn is_given(environment: &Environment, name: &str) -> bool {
    set(environment, name).is_some() || environment.is_unreadable(name)
}

impl FromIterator<(OsString, OsString)> for Environment {
    /// A name that is no text is nobody's here.
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

/// Names alone: a value may be a password.
impl std::fmt::Debug for Environment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names = self.keys().map(String::as_str).chain(self.unreadable());
        f.debug_list().entries(names).finish()
    }
}
