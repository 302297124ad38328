//! A JSON object as text, and where its values stand: one of them is added, replaced or taken away,
//! and every other byte stays as it was. Knows nothing of what the keys mean.

use std::ops::Range;

use serde_json::Value;

/// The indentation where a text shows none.
const INDENT_DEFAULT: &str = "  ";

/// Why a text is no JSON object. Positions are counted from 1.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadJson {
    /// It is no JSON at all: comments and trailing commas are none either.
    #[error("line {line}, column {column}: {message}")]
    Syntax {
        /// The line.
        line: usize,
        /// The column, bytes.
        column: usize,
        /// What was expected there.
        message: String,
    },
    /// It is JSON of another kind.
    #[error("it is not a JSON object")]
    NotAnObject,
}

/// One step down into a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step<'a> {
    /// To the member of this name; of several, to the last, which is the one that counts.
    Key(&'a str),
    /// To the element at this position.
    At(usize),
}

/// A text that is a JSON object.
#[derive(Clone, Debug)]
pub struct JsonText {
    text: String,
    value: Value,
    root: Node,
}

/// A value in the text.
#[derive(Clone, Debug)]
struct Node {
    span: Range<usize>,
    children: Vec<Child>,
    container: bool,
}

/// What stands in an object or a list.
#[derive(Clone, Debug)]
struct Child {
    key: Option<String>,
    /// Where it begins: at its key, if it has one.
    start: usize,
    node: Node,
}

impl JsonText {
    /// Reads `text`.
    ///
    /// # Errors
    /// It is not a JSON object.
    pub fn parse(text: &str) -> Result<Self, BadJson> {
        let value: Value = serde_json::from_str(text).map_err(|error| BadJson::Syntax {
            line: error.line(),
            column: error.column(),
            message: without_place(&error.to_string()),
        })?;
        if !value.is_object() {
            return Err(BadJson::NotAnObject);
        }
        let mut scanner = Scanner { text, at: 0 };
        let root = scanner.value();
        Ok(Self { text: text.to_owned(), value, root })
    }

    /// The text.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// What it says.
    pub const fn value(&self) -> &Value {
        &self.value
    }

    /// What stands between the brackets of the empty object or list at `path`; `None` where there is
    /// none, or it holds something.
    pub fn hollow(&self, path: &[Step<'_>]) -> Option<&str> {
        let node = self.node(path).filter(|node| node.container && node.children.is_empty())?;
        self.text.get(node.span.start + 1..node.span.end - 1)
    }

    /// The text with `value` as the last element of the list at `path`, or as the last member of the
    /// object there, under `key`. `None` where there is no such list or object.
    pub fn with(&self, path: &[Step<'_>], key: Option<&str>, value: &Value) -> Option<String> {
        let node = self.node(path).filter(|node| node.container)?;
        let style = self.style();
        let child = |indent: Option<&str>, style: &Style| {
            let rendered = style.render(value, indent);
            match key {
                Some(key) => format!("{}:{}{rendered}", quoted(key), style.space),
                None => rendered,
            }
        };
        let Some(last) = node.children.last() else {
            let inner = if style.lines {
                let outer = self.indent_at(node.span.start).to_owned();
                let own = format!("{outer}{}", style.unit);
                let end = style.line_end;
                format!("{end}{own}{}{end}{outer}", child(Some(&own), &style))
            } else {
                child(None, &style)
            };
            return self.spliced(node.span.start + 1..node.span.end - 1, &inner);
        };
        let first = node.children.first()?;
        let lead = self.text.get(node.span.start + 1..first.start)?;
        let (between, added) = match lead.rsplit_once('\n') {
            Some((_, indent)) => (lead, child(Some(indent), &style)),
            None => (style.space, child(None, &style)),
        };
        let end = last.node.span.end;
        self.spliced(end..end, &format!(",{between}{added}"))
    }

    /// The text with `value`, on one line, in place of what is at `path`.
    pub fn replaced(&self, path: &[Step<'_>], value: &Value) -> Option<String> {
        let node = self.node(path)?;
        self.spliced(node.span.clone(), &self.style().render(value, None))
    }

    /// The text without what is at `path`. Where nothing else is left in its object or list,
    /// `hollow` stands there instead.
    pub fn without(&self, path: &[Step<'_>], hollow: &str) -> Option<String> {
        let (last, above) = path.split_last()?;
        let node = self.node(above)?;
        let position = node.position(*last)?;
        let own = node.children.get(position)?;
        let before = position.checked_sub(1).and_then(|before| node.children.get(before));
        match (before, node.children.get(position + 1)) {
            (Some(before), _) => self.spliced(before.node.span.end..own.node.span.end, ""),
            (None, Some(after)) => self.spliced(own.start..after.start, ""),
            (None, None) => self.spliced(node.span.start + 1..node.span.end - 1, hollow),
        }
    }

    /// The text with `…` for every text that `hides` by the keys that lead to it.
    pub fn hiding(&self, hides: &dyn Fn(&[&str]) -> bool) -> String {
        let mut spans = Vec::new();
        self.root.hidden(&mut Vec::new(), hides, &mut spans);
        let mut text = self.text.clone();
        for span in spans.into_iter().rev() {
            // Numbers and switches say little, and a text keeps its quotes.
            if self.text.get(span.clone()).is_some_and(|value| value.starts_with('"')) {
                text.replace_range(span, "\"…\"");
            }
        }
        text
    }

    fn spliced(&self, span: Range<usize>, new: &str) -> Option<String> {
        let (head, tail) = (self.text.get(..span.start)?, self.text.get(span.end..)?);
        Some([head, new, tail].concat())
    }

    fn node(&self, path: &[Step<'_>]) -> Option<&Node> {
        path.iter().try_fold(&self.root, |node, step| {
            let position = node.position(*step)?;
            node.children.get(position).map(|child| &child.node)
        })
    }

    /// What the line begins with that holds the byte at `offset`.
    fn indent_at(&self, offset: usize) -> &str {
        let head = self.text.get(..offset).unwrap_or("");
        let line = head.rsplit('\n').next().unwrap_or("");
        let blank = line.len() - line.trim_start_matches([' ', '\t']).len();
        line.get(..blank).unwrap_or("")
    }

    fn style(&self) -> Style {
        let lead = self
            .root
            .children
            .first()
            .and_then(|first| self.text.get(self.root.span.start + 1..first.start));
        let inner = self.text.get(self.root.span.clone()).unwrap_or("");
        let unit = lead.and_then(|lead| lead.rsplit_once('\n')).map(|(_, indent)| indent);
        Style {
            // An empty object says nothing about how its writer likes it.
            lines: inner.contains('\n') || self.root.children.is_empty(),
            line_end: if self.text.contains("\r\n") { "\r\n" } else { "\n" },
            unit: unit.filter(|unit| !unit.is_empty()).unwrap_or(INDENT_DEFAULT).to_owned(),
            space: if self.root.children.is_empty() || inner.contains("\": ") { " " } else { "" },
        }
    }
}

/// How a text is laid out.
struct Style {
    /// Over several lines.
    lines: bool,
    line_end: &'static str,
    unit: String,
    /// What stands after a colon, and after a comma on one line.
    space: &'static str,
}

impl Style {
    /// `value` as it would stand in such a text: over several lines where its own are indented by
    /// `indent`, else on one.
    fn render(&self, value: &Value, indent: Option<&str>) -> String {
        let inner = indent.map(|indent| format!("{indent}{}", self.unit));
        let parts: Vec<String> = match value {
            Value::Object(members) => members
                .iter()
                .map(|(key, value)| {
                    let value = self.render(value, inner.as_deref());
                    format!("{}:{}{value}", quoted(key), self.space)
                })
                .collect(),
            Value::Array(elements) => {
                elements.iter().map(|element| self.render(element, inner.as_deref())).collect()
            }
            scalar => return scalar.to_string(),
        };
        let (open, close) = if value.is_object() { ('{', '}') } else { ('[', ']') };
        match (indent, inner) {
            (Some(indent), Some(inner)) if !parts.is_empty() => {
                let end = self.line_end;
                let parts = parts.join(&format!(",{end}{inner}"));
                format!("{open}{end}{inner}{parts}{end}{indent}{close}")
            }
            _ => format!("{open}{}{close}", parts.join(&format!(",{}", self.space))),
        }
    }
}

impl Node {
    fn position(&self, step: Step<'_>) -> Option<usize> {
        match step {
            Step::At(position) => Some(position),
            Step::Key(key) => {
                self.children.iter().rposition(|child| child.key.as_deref() == Some(key))
            }
        }
    }

    fn hidden<'a>(
        &'a self,
        keys: &mut Vec<&'a str>,
        hides: &dyn Fn(&[&str]) -> bool,
        spans: &mut Vec<Range<usize>>,
    ) {
        if !self.container && hides(keys) {
            spans.push(self.span.clone());
        }
        for child in &self.children {
            keys.extend(child.key.as_deref());
            child.node.hidden(keys, hides, spans);
            if child.key.is_some() {
                keys.pop();
            }
        }
    }
}

/// Walks over a text that is known to be JSON, so that nothing can be wrong and nothing is deeper
/// than the parser allows.
struct Scanner<'a> {
    text: &'a str,
    at: usize,
}

impl Scanner<'_> {
    fn byte(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    /// The next byte that is no blank, comma or colon.
    fn skip(&mut self) -> Option<u8> {
        while self.byte().is_some_and(|byte| b" \t\r\n,:".contains(&byte)) {
            self.at += 1;
        }
        self.byte()
    }

    fn value(&mut self) -> Node {
        let first = self.skip();
        let start = self.at;
        let mut children = Vec::new();
        let container = matches!(first, Some(b'{' | b'['));
        match first {
            Some(b'"') => self.string(),
            Some(b'{' | b'[') => {
                self.at += 1;
                while self.skip().is_some_and(|byte| byte != b'}' && byte != b']') {
                    let start = self.at;
                    let key = (first == Some(b'{')).then(|| self.key());
                    children.push(Child { key, start, node: self.value() });
                }
                self.at += 1;
            }
            _ => {
                while self.byte().is_some_and(|byte| !b" \t\r\n,:]}".contains(&byte)) {
                    self.at += 1;
                }
            }
        }
        Node { span: start..self.at, children, container }
    }

    fn key(&mut self) -> String {
        let start = self.at;
        self.string();
        let key = self.text.get(start..self.at).unwrap_or("\"\"");
        // Always a string, which only the parser can take out of its escapes.
        serde_json::from_str(key).unwrap_or_else(|_| key.to_owned())
    }

    fn string(&mut self) {
        self.at += 1;
        while let Some(byte) = self.byte() {
            self.at += if byte == b'\\' { 2 } else { 1 };
            if byte == b'"' {
                return;
            }
        }
    }
}

fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

/// The parser's message without the place, which stands elsewhere.
fn without_place(message: &str) -> String {
    message.split(" at line ").next().unwrap_or(message).to_owned()
}
