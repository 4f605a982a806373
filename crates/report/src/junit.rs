//! Results as JUnit XML, which continuous integration reads.

use std::fmt::Write as _;
use std::io::Write;

use crate::Error;
use crate::verdict::Verdict;

/// What came of a test case.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum CaseOutcome {
    /// It holds.
    Passed,
    /// It does not.
    Failed {
        /// Why, in short: the codes of the reasons.
        message: String,
        /// Why, in full.
        detail: String,
    },
    /// It was not tried.
    Skipped {
        /// Why not.
        message: String,
    },
}

/// A test case.
#[derive(Clone, PartialEq, Debug)]
pub struct Case {
    /// Its name.
    pub name: String,
    /// How long it took.
    pub seconds: f64,
    /// What came of it.
    pub outcome: CaseOutcome,
}

impl Case {
    /// The case that a call is judged by.
    pub fn judged(name: &str, seconds: f64, verdict: &Verdict) -> Self {
        let mut codes = Vec::new();
        let mut detail = String::new();
        for (direction, reason) in verdict.all_reasons() {
            codes.push(reason.code());
            let _ = match direction {
                Some((from, to)) => writeln!(detail, "{from} -> {to}: {reason}"),
                None => writeln!(detail, "{reason}"),
            };
        }
        let outcome = if codes.is_empty() {
            CaseOutcome::Passed
        } else {
            CaseOutcome::Failed {
                message: codes.join(", "),
                detail,
            }
        };
        Self {
            name: name.to_owned(),
            seconds,
            outcome,
        }
    }
}

/// Writes `cases` as the suite `suite`.
///
/// # Errors
/// [`ErrorKind::Write`](crate::ErrorKind::Write) when `out` fails.
pub fn write_junit(mut out: impl Write, suite: &str, cases: &[Case]) -> Result<(), Error> {
    let suite = escaped(suite);
    let count =
        |wanted: fn(&CaseOutcome) -> bool| cases.iter().filter(|c| wanted(&c.outcome)).count();
    writeln!(out, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>")?;
    writeln!(
        out,
        "<testsuite name=\"{suite}\" tests=\"{}\" failures=\"{}\" errors=\"0\" skipped=\"{}\" time=\"{:.3}\">",
        cases.len(),
        count(|o| matches!(o, CaseOutcome::Failed { .. })),
        count(|o| matches!(o, CaseOutcome::Skipped { .. })),
        cases.iter().map(|c| c.seconds).sum::<f64>()
    )?;
    for case in cases {
        let name = escaped(&case.name);
        write!(
            out,
            "  <testcase classname=\"{suite}\" name=\"{name}\" time=\"{:.3}\"",
            case.seconds
        )?;
        match &case.outcome {
            CaseOutcome::Passed => writeln!(out, "/>")?,
            CaseOutcome::Failed { message, detail } => writeln!(
                out,
                "><failure message=\"{}\">{}</failure></testcase>",
                escaped(message),
                escaped(detail)
            )?,
            CaseOutcome::Skipped { message } => {
                writeln!(
                    out,
                    "><skipped message=\"{}\"/></testcase>",
                    escaped(message)
                )?;
            }
        }
    }
    writeln!(out, "</testsuite>")?;
    Ok(out.flush()?)
}

/// `text` for the text and for quoted attributes of XML 1.0, which knows few control characters.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\n' | '\t' => out.push(c),
            '\u{fffe}' | '\u{ffff}' => out.push('\u{fffd}'),
            c if c.is_control() => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verdict::Reason;

    #[test]
    fn a_suite_is_what_readers_expect() {
        let mut verdict = Verdict::default();
        let passed = Case::judged("clean", 1.5, &verdict);
        verdict.reasons.push(Reason::NotConnected);
        let failed = Case::judged("a < \"b\"\u{1}", 0.25, &verdict);
        let skipped = Case {
            name: "later".into(),
            seconds: 0.0,
            outcome: CaseOutcome::Skipped {
                message: "no tshark".into(),
            },
        };
        let mut out = Vec::new();
        write_junit(&mut out, "loop", &[passed, failed, skipped]).unwrap();
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
             <testsuite name=\"loop\" tests=\"3\" failures=\"1\" errors=\"0\" skipped=\"1\" time=\"1.750\">\n  \
             <testcase classname=\"loop\" name=\"clean\" time=\"1.500\"/>\n  \
             <testcase classname=\"loop\" name=\"a &lt; &quot;b&quot;\u{fffd}\" time=\"0.250\">\
             <failure message=\"not_connected\">the call was not answered\n</failure></testcase>\n  \
             <testcase classname=\"loop\" name=\"later\" time=\"0.000\"><skipped message=\"no tshark\"/></testcase>\n\
             </testsuite>\n"
        );
    }
}
