//! A report as one HTML file that needs nothing else: no script, no font, no picture from elsewhere.

mod banner;
mod curves;
mod ladder;
mod page;
mod tables;
mod wave;

use std::io::Write;

use crate::Error;
use crate::model::{Outcome, Report};
use page::{esc, fill};

const TEMPLATE: &str = include_str!("../assets/report.html");
const STYLE: &str = include_str!("../assets/report.css");
const PATTERNS: &str = include_str!("../assets/patterns.svg");

impl Report {
    /// Writes the report as indented JSON.
    ///
    /// # Errors
    /// [`ErrorKind::Write`](crate::ErrorKind::Write) when `out` fails.
    pub fn write_json(&self, mut out: impl Write) -> Result<(), Error> {
        serde_json::to_writer_pretty(&mut out, self)?;
        out.write_all(b"\n")?;
        Ok(out.flush()?)
    }

    /// Writes the report as one HTML file.
    ///
    /// Whatever came from the network or a user is escaped, and the file forbids scripts and any loading to begin with.
    ///
    /// # Errors
    /// [`ErrorKind::Write`](crate::ErrorKind::Write) when `out` fails.
    pub fn write_html(&self, mut out: impl Write) -> Result<(), Error> {
        let page = fill(TEMPLATE, |name| match name {
            "software" => esc(&self.software).to_string(),
            "outcome" => self.outcome_title().to_owned(),
            "title" => esc(&self.title).to_string(),
            "style" => STYLE.to_owned(),
            "patterns" => PATTERNS.to_owned(),
            "when" => banner::when(self),
            "banner" => banner::banner(self),
            "tiles" => banner::tiles(self),
            "ladder" => ladder::ladder(self),
            "curves" => curves::curves(self),
            "waves" => wave::waves(self),
            "negotiation" => tables::negotiation(self),
            "numbers" => tables::numbers(self),
            "drops" => tables::drops(self),
            "notes" => tables::notes(self),
            "footer" => banner::footer(self),
            _ => String::new(),
        });
        out.write_all(page.as_bytes())?;
        Ok(out.flush()?)
    }
}

impl Report {
    /// What the outcome is called in a report.
    fn outcome_title(&self) -> &'static str {
        let alone = self.verdict.as_ref().is_some_and(|v| v.seen_by.is_some());
        match self.outcome {
            Outcome::Holds if alone => "Good, as far as this end can tell",
            Outcome::Holds => "The right sound arrived",
            Outcome::Fails => "The verdict does not hold",
            Outcome::SeenWell => "Connected, not judged",
            Outcome::SeenBad => "Something is missing",
        }
    }
}
