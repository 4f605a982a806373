//! What the XML documents of event packages have in common: bounds, and text that cannot break out.

use roxmltree::{Document, Node, ParsingOptions};

use crate::{Error, ErrorKind, Result};

/// Elements, attributes and texts of a document, at most.
const MAX_NODES: u32 = 5_000;

/// The longest document that is looked into, in bytes.
const MAX_BYTES: usize = 256 * 1024;

/// How deep elements may lie in each other.
const MAX_DEPTH: usize = 32;

/// Reads a document without a document type, which nobody needs here and which hides traps, whose root is `root`.
pub(super) fn parse<'a>(body: &'a [u8], root: &str) -> Result<Document<'a>> {
    let bad = Error::new(ErrorKind::Value, "XML");
    if body.len() > MAX_BYTES || !is_shallow(body) {
        return Err(Error::new(ErrorKind::Limit(crate::Limit::Body), "XML"));
    }
    let text = std::str::from_utf8(body).map_err(|_| Error::new(ErrorKind::NotUtf8, "XML"))?;
    let options = ParsingOptions {
        allow_dtd: false,
        nodes_limit: MAX_NODES,
        ..ParsingOptions::default()
    };
    let text = text.trim_start_matches('\u{feff}').trim_start();
    let document = Document::parse_with_options(text, options).map_err(|_| bad)?;
    if document.root_element().tag_name().name() == root {
        Ok(document)
    } else {
        Err(bad)
    }
}

/// Whether elements do not lie deeper in each other than they may, seen before anything walks into them. What is no
/// XML may be counted wrongly here; it is refused by the reader.
fn is_shallow(body: &[u8]) -> bool {
    let mut depth = 0_usize;
    for (i, _) in body.iter().enumerate().filter(|(_, b)| **b == b'<') {
        let rest = body.get(i + 1..).unwrap_or_default();
        match rest.first() {
            Some(b'/') => depth = depth.saturating_sub(1),
            Some(b'!' | b'?') | None => {}
            Some(_) => {
                let end = rest.iter().position(|&b| b == b'>').unwrap_or(rest.len());
                let closed = end.checked_sub(1).and_then(|e| rest.get(e)) == Some(&b'/');
                depth += usize::from(!closed);
            }
        }
        if depth > MAX_DEPTH {
            return false;
        }
    }
    true
}

/// The first element `name` in `parent`, whatever its namespace: peers mix them up.
pub(super) fn child<'a, 'i>(parent: Node<'a, 'i>, name: &str) -> Option<Node<'a, 'i>> {
    children(parent, name).next()
}

/// All elements `name` in `parent`.
pub(super) fn children<'a, 'i>(
    parent: Node<'a, 'i>,
    name: &str,
) -> impl Iterator<Item = Node<'a, 'i>> {
    let name = name.to_owned();
    parent
        .children()
        .filter(move |n| n.is_element() && n.tag_name().name() == name)
}

/// The text of an element, without the spaces around it.
pub(super) fn text(node: Option<Node<'_, '_>>) -> Box<str> {
    node.and_then(|n| n.text())
        .map(str::trim)
        .unwrap_or_default()
        .into()
}

/// Text as it may stand in an element or in an attribute between double quotes. What XML cannot hold is left out.
pub(super) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '"' => out.push_str("&quot;"),
            '\t' | '\n' | '\r' => out.push(' '),
            '\u{0}'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => {}
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn traps_are_refused() {
        let deep = format!("<a>{}{}</a>", "<b>".repeat(100_000), "</b>".repeat(100_000));
        let bomb = "<!DOCTYPE a [<!ENTITY x \"xxxxxxxxxx\"><!ENTITY y \"&x;&x;\">]><a>&y;</a>";
        let many = format!("<a>{}</a>", "<b/>".repeat(6_000));
        let huge = format!("<a x=\"{}\"/>", "x".repeat(1 << 20));
        let nested = format!("<a>{}{}</a>", "<b>".repeat(40), "</b>".repeat(40));
        for bad in [
            &*deep,
            bomb,
            &many,
            &huge,
            &nested,
            "",
            "<a>",
            "<b/>",
            "<a>&nope;</a>",
            "x",
        ] {
            assert!(parse(bad.as_bytes(), "a").is_err(), "{:.40}", bad);
        }
        assert!(parse(b"\xff", "a").is_err());
        let flat = format!("<a>{}</a>", "<b>x</b>".repeat(1_000));
        assert!(parse(flat.as_bytes(), "a").is_ok());
    }

    #[test]
    fn what_is_escaped_comes_back() {
        let text = "a<b>&\"c'\u{1}ü";
        let document = format!("<a x=\"{0}\">{0}</a>", escape(text));
        let read = parse(document.as_bytes(), "a").unwrap();
        assert_eq!(read.root_element().text(), Some("a<b>&\"c'ü"));
        assert_eq!(read.root_element().attribute("x"), Some("a<b>&\"c'ü"));
    }
}
