//! The classes that terminals are made of, the superclasses that they are kinds of, and the terminals that are there without
//! being made.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use crate::error::{Error, ErrorKind, Result};
use crate::media::{Direction, MediaKind, MediaKinds};
use crate::statics::StaticTerminals;
use crate::terminal::{Terminal, TerminalClass};

/// What is to be made of a class.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TerminalSpec {
    /// What it shall carry.
    pub kind: MediaKind,
    /// Which streams it shall serve.
    pub direction: Direction,
    /// Options of the class, for instance `path`; a class refuses an option that it does not know.
    pub options: BTreeMap<String, String>,
}

impl TerminalSpec {
    /// An audio terminal without options.
    pub const fn audio(direction: Direction) -> Self {
        Self {
            kind: MediaKind::Audio,
            direction,
            options: BTreeMap::new(),
        }
    }

    /// The same with option `name` set to `value`.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.options.insert(name.to_owned(), value.into());
        self
    }

    /// Refuses options other than `known`.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidArgument`] that names the first unknown option.
    pub fn expect_options(&self, known: &[&str]) -> Result<()> {
        match self.options.keys().find(|k| !known.contains(&k.as_str())) {
            Some(unknown) => Err(Error::new(
                ErrorKind::InvalidArgument,
                format!("terminal option '{unknown}'"),
            )),
            None => Ok(()),
        }
    }
}

/// What a class is, for those who look for one.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TerminalClassInfo {
    /// Its name.
    pub class: TerminalClass,
    /// The class that it is a kind of, for instance `file`.
    pub superclass: TerminalClass,
    /// Who made it.
    pub vendor: Cow<'static, str>,
    /// What its terminals can carry.
    pub kinds: MediaKinds,
    /// Which streams its terminals can serve.
    pub direction: Direction,
}

/// Makes terminals of one class.
pub trait TerminalFactory: Send + Sync {
    /// What the class is.
    fn info(&self) -> TerminalClassInfo;
    /// Makes one. Called on a thread that may block.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidMediaType`], [`ErrorKind::InvalidDirection`], [`ErrorKind::InvalidArgument`] for a
    /// spec that it cannot meet, [`ErrorKind::Device`] when what is behind it cannot be opened.
    fn create(&self, spec: &TerminalSpec) -> Result<Arc<dyn Terminal>>;
}

/// The classes that terminals can be made of, those of others beside the built-in ones, and the static terminals. Clones are
/// the same registry.
#[derive(Clone, Default)]
pub struct TerminalRegistry {
    tables: Arc<RwLock<Tables>>,
    statics: StaticTerminals,
}

#[derive(Default)]
struct Tables {
    factories: BTreeMap<TerminalClass, Arc<dyn TerminalFactory>>,
    superclasses: BTreeSet<TerminalClass>,
}

impl TerminalRegistry {
    /// Adds a class; its superclass is known as long as it is there.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidTerminalClass`] if there is one of that name.
    pub fn register(&self, factory: Arc<dyn TerminalFactory>) -> Result<()> {
        let class = factory.info().class;
        let mut tables = self.write();
        if tables.factories.contains_key(&class) {
            return Err(registered(&class));
        }
        tables.factories.insert(class, factory);
        Ok(())
    }

    /// Removes a class. Terminals that were made of it go on.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidTerminalClass`] if there is none of that name.
    pub fn unregister(&self, class: &TerminalClass) -> Result<()> {
        // What goes with the class is none of the table's business.
        let removed = self.write().factories.remove(class);
        match removed {
            Some(_) => Ok(()),
            None => Err(Error::new(ErrorKind::InvalidTerminalClass, class.as_str())),
        }
    }

    /// Adds a superclass before there is a class of it.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidTerminalClass`] if it is known already.
    pub fn register_superclass(&self, superclass: TerminalClass) -> Result<()> {
        let known = self.superclasses().contains(&superclass);
        if known || !self.write().superclasses.insert(superclass.clone()) {
            return Err(registered(&superclass));
        }
        Ok(())
    }

    /// The superclasses that are known, in the order of their names.
    pub fn superclasses(&self) -> Vec<TerminalClass> {
        let explicit = self.read().superclasses.clone();
        let of_classes = self.infos().into_iter().map(|i| i.superclass);
        let all: BTreeSet<_> = explicit.into_iter().chain(of_classes).collect();
        all.into_iter().collect()
    }

    /// The classes that carry all of `kinds`, in the order of their names.
    pub fn classes(&self, kinds: MediaKinds) -> Vec<TerminalClassInfo> {
        let infos = self.infos().into_iter();
        infos.filter(|i| kinds.is_subset(i.kinds)).collect()
    }

    /// What all classes say of themselves; asked without the table, for they are others' code.
    fn infos(&self) -> Vec<TerminalClassInfo> {
        let factories: Vec<_> = self.read().factories.values().cloned().collect();
        factories.iter().map(|f| f.info()).collect()
    }

    /// The classes under `superclass` that carry all of `kinds`, in the order of their names.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidTerminalClass`] for a superclass that is not known.
    pub fn classes_of(
        &self,
        superclass: &TerminalClass,
        kinds: MediaKinds,
    ) -> Result<Vec<TerminalClassInfo>> {
        if !self.superclasses().contains(superclass) {
            let name = superclass.as_str();
            return Err(Error::new(ErrorKind::InvalidTerminalClass, name));
        }
        let mut classes = self.classes(kinds);
        classes.retain(|c| c.superclass == *superclass);
        Ok(classes)
    }

    /// Makes a terminal of `class`.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidTerminalClass`] for an unknown class,
    /// [`ErrorKind::InvalidMediaType`] or [`ErrorKind::InvalidDirection`] for what it cannot carry, else
    /// whatever [`TerminalFactory::create`] says.
    pub fn create(&self, class: &TerminalClass, spec: &TerminalSpec) -> Result<Arc<dyn Terminal>> {
        let factory = self.read().factories.get(class).cloned();
        let Some(factory) = factory else {
            return Err(Error::new(ErrorKind::InvalidTerminalClass, class.as_str()));
        };
        let info = factory.info();
        if !info.kinds.contains(spec.kind) {
            return Err(Error::new(ErrorKind::InvalidMediaType, class.as_str()));
        }
        if !info.direction.serves(spec.direction) {
            return Err(Error::new(ErrorKind::InvalidDirection, class.as_str()));
        }
        factory.create(spec)
    }

    /// The terminals that are there without being made.
    pub const fn statics(&self) -> &StaticTerminals {
        &self.statics
    }

    fn read(&self) -> RwLockReadGuard<'_, Tables> {
        self.tables.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Tables> {
        self.tables.write().unwrap_or_else(PoisonError::into_inner)
    }
}

fn registered(class: &TerminalClass) -> Error {
    let what = format!("{class} is registered");
    Error::new(ErrorKind::InvalidTerminalClass, what)
}

impl fmt::Debug for TerminalRegistry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tables = self.read();
        let classes = tables.factories.keys().map(TerminalClass::as_str);
        f.debug_set().entries(classes).finish()
    }
}
