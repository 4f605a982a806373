//! Small pieces that all parts of the page use: escaping, filling, numbers.

use std::fmt;

/// `text` made harmless in the text and in quoted attributes of HTML.
///
/// Characters that steer (controls, and those that turn the direction of writing) show as U+FFFD: they could
/// make a hostile name look like something else.
pub(super) const fn esc(text: &str) -> Escaped<'_> {
    Escaped(text)
}

/// See [`esc`].
pub(super) struct Escaped<'a>(&'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use fmt::Write;
        for c in self.0.chars() {
            match c {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '"' => f.write_str("&quot;")?,
                '\'' => f.write_str("&#39;")?,
                '\r' => {}
                '\n' | '\t' => f.write_char(c)?,
                '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200e}' | '\u{200f}' => {
                    f.write_char('\u{fffd}')?;
                }
                c if c.is_control() => f.write_char('\u{fffd}')?,
                c => f.write_char(c)?,
            }
        }
        Ok(())
    }
}

/// `template` with each `{{name}}` replaced by what `value` makes of the name; values are not looked at again.
pub(super) fn fill(template: &str, value: impl Fn(&str) -> String) -> String {
    let mut out = String::with_capacity(template.len() * 4);
    let mut rest = template;
    while let Some((before, after)) = rest.split_once("{{") {
        let Some((name, after)) = after.split_once("}}") else {
            break;
        };
        out.push_str(before);
        out.push_str(&value(name));
        rest = after;
    }
    out.push_str(rest);
    out
}

/// A count with thin spaces between groups of three digits.
pub(super) fn count(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push('\u{202f}');
        }
        out.push(digit);
    }
    out
}

/// Milliseconds, with as many digits as mean something.
pub(super) fn ms(value: f64) -> String {
    if value.abs() < 9.95 {
        format!("{value:.1}\u{202f}ms")
    } else if value.abs() < 9_999.5 {
        format!("{value:.0}\u{202f}ms")
    } else {
        format!("{:.1}\u{202f}s", value / 1000.0)
    }
}

/// A share of one in percent.
pub(super) fn percent(part: f64, whole: f64) -> String {
    if whole <= 0.0 {
        return "0\u{202f}%".to_owned();
    }
    let value = part * 100.0 / whole;
    if value > 0.0 && value < 0.95 {
        format!("{value:.2}\u{202f}%")
    } else {
        format!("{value:.1}\u{202f}%")
    }
}

/// A length of time as a person says it.
pub(super) fn length(seconds: f64) -> String {
    let whole = seconds.max(0.0);
    if whole < 60.0 {
        format!("{whole:.1}\u{202f}s")
    } else {
        let minutes = (whole / 60.0).floor();
        format!(
            "{minutes:.0}\u{202f}min {:02.0}\u{202f}s",
            (whole - minutes * 60.0).floor()
        )
    }
}

/// The class of a direction's colour; the first and the second differ.
pub(super) const fn tone(direction: usize) -> &'static str {
    if direction.is_multiple_of(2) {
        "one"
    } else {
        "two"
    }
}

/// Who speaks to whom, as markup.
pub(super) fn direction(from: &str, to: &str) -> String {
    format!(
        "<bdi>{}</bdi>\u{2009}\u{2192}\u{2009}<bdi>{}</bdi>",
        esc(from),
        esc(to)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_steers_gets_through() {
        let hostile = "<a b=\"c\" d='e'>&\u{202e}\u{7}\r\n";
        assert_eq!(
            esc(hostile).to_string(),
            "&lt;a b=&quot;c&quot; d=&#39;e&#39;&gt;&amp;\u{fffd}\u{fffd}\n"
        );
    }

    #[test]
    fn values_are_not_templates() {
        let out = fill("a {{x}} b {{y}} {{", |name| format!("[{{{{{name}}}}}]"));
        assert_eq!(out, "a [{{x}}] b [{{y}}] {{");
    }

    #[test]
    fn numbers_read_well() {
        assert_eq!(count(1_234_567), "1\u{202f}234\u{202f}567");
        assert_eq!(
            (ms(0.24), ms(71.6)),
            ("0.2\u{202f}ms".into(), "72\u{202f}ms".into())
        );
        assert_eq!(percent(1.0, 300.0), "0.33\u{202f}%");
        assert_eq!(length(83.4), "1\u{202f}min 23\u{202f}s");
    }
}
