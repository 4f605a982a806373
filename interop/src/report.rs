//! What our program reported of a call, read back from its JSON.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::error::{Error, ensure};

/// Playout's word for samples that were decoded on time, one to one.
const ON_TIME: &str = "normal";

/// The report of one call with one phone of ours.
pub(crate) struct Report(Value);

/// One way of the sound.
pub(crate) struct Direction<'a>(&'a Value);

impl Report {
    pub(crate) fn read(path: &Path) -> Result<Self, Error> {
        let text = fs::read(path).map_err(|error| Error::io(path.display(), &error))?;
        let value: Value = serde_json::from_slice(&text)
            .map_err(|error| Error::new(format!("{}: {error}", path.display())))?;
        ensure(value["format"] == 1, || {
            format!("{}: a form that we do not know", path.display())
        })?;
        Ok(Self(value))
    }

    /// Whether a message of this name, `PRACK` or `180 Ringing` for instance, went from one end to the other.
    pub(crate) fn tells(&self, message: &str) -> bool {
        let ladder = self.0["ladder"].as_array();
        let mut all = ladder.into_iter().flatten();
        all.any(|step| {
            step["title"]
                .as_str()
                .is_some_and(|t| t.starts_with(message))
        })
    }

    /// What our phone sent.
    pub(crate) fn sent(&self) -> Result<Direction<'_>, Error> {
        self.direction("from")
    }

    /// What our phone heard.
    pub(crate) fn heard(&self) -> Result<Direction<'_>, Error> {
        self.direction("to")
    }

    /// Everything that the verdict finds wrong with what our phone heard, by its codes.
    pub(crate) fn wrong(&self) -> Vec<&str> {
        let reasons = self.0["verdict"]["directions"][1]["reasons"].as_array();
        let codes = reasons.into_iter().flatten();
        codes.filter_map(|reason| reason["code"].as_str()).collect()
    }

    fn direction(&self, end: &str) -> Result<Direction<'_>, Error> {
        let list = |value: &'_ Value| value.as_array().cloned().unwrap_or_default();
        let ours: Vec<Value> = list(&self.0["participants"])
            .into_iter()
            .filter(|participant| participant["traced"] == true)
            .map(|participant| participant["name"].clone())
            .collect();
        let directions = self.0["directions"]
            .as_array()
            .map(Vec::as_slice)
            .unwrap_or_default();
        directions
            .iter()
            .find(|direction| ours.contains(&direction[end]))
            .map(Direction)
            .ok_or_else(|| Error::new(format!("the report has no direction {end} us")))
    }
}

impl Direction<'_> {
    /// A number of the report that must be there.
    pub(crate) fn number(&self, field: &str) -> Result<f64, Error> {
        self.0[field]
            .as_f64()
            .ok_or_else(|| Error::new(format!("the report does not say `{field}`")))
    }

    /// A count of the report that must be there.
    pub(crate) fn count(&self, field: &str) -> Result<u64, Error> {
        self.0[field]
            .as_u64()
            .ok_or_else(|| Error::new(format!("the report does not say `{field}`")))
    }

    /// Samples that were played and that playout names as anything but decoded on time.
    pub(crate) fn made_up(&self) -> u64 {
        let played = self.0["played"].as_object();
        let others = played
            .into_iter()
            .flatten()
            .filter(|(name, _)| *name != ON_TIME);
        others.filter_map(|(_, samples)| samples.as_u64()).sum()
    }
}
