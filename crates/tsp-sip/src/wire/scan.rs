//! The lexical ground of SIP: tokens, white space, quotes, lists (RFC 3261 section 25.1).

use std::borrow::Cow;
use std::time::Duration;

/// Which bytes may stand in a token.
#[expect(clippy::indexing_slicing, reason = "evaluated while compiling")]
const TOKEN: [bool; 256] = {
    let mut table = [false; 256];
    let mut b = 0u8;
    while b < 128 {
        table[b as usize] = b.is_ascii_alphanumeric()
            || matches!(
                b,
                b'-' | b'.' | b'!' | b'%' | b'*' | b'_' | b'+' | b'`' | b'\'' | b'~'
            );
        b += 1;
    }
    table
};

/// Whether `b` may stand in a token.
#[inline]
#[expect(
    clippy::indexing_slicing,
    reason = "the table has a place for every byte"
)]
pub(crate) const fn is_token_byte(b: u8) -> bool {
    TOKEN[b as usize]
}

/// Whether all of `bytes` are `fine`. It looks at every one: without a way out of the loop the compiler looks at many at once.
#[inline]
pub(crate) fn all_are(bytes: &[u8], fine: impl Fn(u8) -> bool) -> bool {
    bytes.iter().fold(true, |all, &b| all & fine(b))
}

/// Whether `bytes` is a token: at least one byte, all of them token bytes.
pub(crate) fn is_token(bytes: &[u8]) -> bool {
    !bytes.is_empty() && bytes.iter().all(|&b| is_token_byte(b))
}

const fn is_space(b: u8) -> bool {
    matches!(b, b' ' | b'\t')
}

/// `bytes` without the white space around it.
pub(crate) const fn trim(mut bytes: &[u8]) -> &[u8] {
    while let [b, rest @ ..] = bytes {
        if !is_space(*b) {
            break;
        }
        bytes = rest;
    }
    while let [rest @ .., b] = bytes {
        if !is_space(*b) {
            break;
        }
        bytes = rest;
    }
    bytes
}

/// `text` without the white space around it.
pub(crate) fn trim_str(text: &str) -> &str {
    let spaces = |b: &&u8| is_space(**b);
    let start = text.as_bytes().iter().take_while(spaces).count();
    let rest = text.get(start..).unwrap_or_default();
    let end = rest.len() - rest.as_bytes().iter().rev().take_while(spaces).count();
    rest.get(..end).unwrap_or_default()
}

/// `text` before and after the first `byte`, which is ASCII.
pub(crate) fn cut(text: &str, byte: u8) -> Option<(&str, &str)> {
    let at = text.bytes().position(|b| b == byte)?;
    Some((text.get(..at)?, text.get(at + 1..)?))
}

/// The position of `wanted` outside of quoted strings and angle brackets; `None` also if one of these is not
/// closed before it.
pub(crate) fn find_unquoted(bytes: &[u8], wanted: u8) -> Option<usize> {
    let first = memchr::memchr(wanted, bytes)?;
    if memchr::memchr2(b'"', b'<', bytes.get(..first)?).is_none() {
        return Some(first);
    }
    let (mut quoted, mut escaped, mut angle) = (false, false, false);
    for (i, &b) in bytes.iter().enumerate() {
        if escaped {
            escaped = false;
        } else if quoted {
            match b {
                b'\\' => escaped = true,
                b'"' => quoted = false,
                _ => {}
            }
        } else if angle {
            angle = b != b'>';
        } else if b == wanted {
            return Some(i);
        } else {
            quoted = b == b'"';
            angle = b == b'<';
        }
    }
    None
}

/// The length of the quoted string that `bytes` begins with, both quotes included.
pub(crate) fn quoted_len(bytes: &[u8]) -> Option<usize> {
    let mut escaped = false;
    for (i, &b) in bytes.iter().enumerate() {
        match b {
            b'"' if i == 0 => {}
            _ if i == 0 => return None,
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return Some(i + 1),
            _ => {}
        }
    }
    None
}

/// The values of a header field that is a list: split at commas outside of quotes and angle brackets, trimmed.
#[derive(Clone, Debug)]
pub(crate) struct ListItems<'a> {
    rest: Option<&'a [u8]>,
}

/// The values of the list `value`; an empty list has none, and an empty place between commas shows as empty.
pub(crate) fn list_items(value: &[u8]) -> ListItems<'_> {
    let value = trim(value);
    ListItems {
        rest: (!value.is_empty()).then_some(value),
    }
}

impl<'a> Iterator for ListItems<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let rest = self.rest?;
        let comma = find_unquoted(rest, b',');
        let (item, after) = match comma.and_then(|i| rest.split_at_checked(i)) {
            Some((item, after)) => (item, after.get(1..)),
            None => (rest, None),
        };
        self.rest = after;
        Some(trim(item))
    }
}

/// The content of a quoted string with its escapes resolved; `text` itself if it is not quoted.
pub(crate) fn unquote(text: &str) -> Cow<'_, str> {
    let Some(inner) = text.strip_prefix('"').and_then(|t| t.strip_suffix('"')) else {
        return Cow::Borrowed(text);
    };
    if !inner.contains('\\') {
        return Cow::Borrowed(inner);
    }
    let mut out = String::with_capacity(inner.len());
    let mut chars = inner.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => out.extend(chars.next()),
            c => out.push(c),
        }
    }
    Cow::Owned(out)
}

/// `text` as a quoted string; control characters, which have no place in one, become spaces.
pub(crate) fn quote(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            c if c.is_control() => out.push(' '),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// A number of digits alone, leading zeros allowed, at most `max`.
pub(crate) fn number(bytes: &[u8], max: u64) -> Option<u64> {
    if bytes.is_empty() {
        return None;
    }
    let mut n: u64 = 0;
    for b in bytes {
        if !b.is_ascii_digit() {
            return None;
        }
        n = n.checked_mul(10)?.checked_add(u64::from(b - b'0'))?;
    }
    (n <= max).then_some(n)
}

/// Seconds of digits alone; more than 2^32-1 counts as that (RFC 3261 section 20.19).
pub(crate) fn seconds(bytes: &[u8]) -> Option<Duration> {
    let max = u64::from(u32::MAX);
    let digits = !bytes.is_empty() && bytes.iter().all(u8::is_ascii_digit);
    digits.then(|| Duration::from_secs(number(bytes, max).unwrap_or(max)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_split_outside_quotes_and_brackets() {
        let items: Vec<_> =
            list_items(br#" "a, b" <sip:x,y@z> , <sip:q>;p="c,\"d" ,, e "#).collect();
        assert_eq!(
            items,
            [
                &br#""a, b" <sip:x,y@z>"#[..],
                br#"<sip:q>;p="c,\"d""#,
                b"",
                b"e"
            ]
        );
        assert_eq!(list_items(b"  ").count(), 0);
    }

    #[test]
    fn quotes_round_trip() {
        let odd = "a \"b\" \\ c\r\n";
        assert_eq!(unquote(&quote(odd)), "a \"b\" \\ c  ");
        assert_eq!(quoted_len(br#""a\"b" <"#), Some(6));
        assert_eq!(quoted_len(br#""a\""#), None);
    }

    #[test]
    fn numbers_do_not_wrap() {
        assert_eq!(number(b"0068", 255), Some(68));
        assert_eq!(number(b"256", 255), None);
        assert_eq!(number(b"36893488147419103232", u64::MAX), None);
        assert_eq!(number(b"-1", 255), None);
        assert_eq!(number(b"", 255), None);
    }
}
