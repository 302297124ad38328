//! `JSON.stringify` of plain data, several times faster than the engine's own: scripts put whole
//! results into prompts, and `QuickJS` quotes them a character at a time. Owns the common case;
//! whatever is not plain is left to the engine, whose answer is the rule.

use rquickjs::atom::PredefinedAtom;
use rquickjs::{Array, Coerced, Ctx, Object, Value};

/// Longer texts are the engine's, whose memory limit holds while it writes.
const BYTES_MAX: usize = 1 << 20;
/// Deeper values are the engine's: it finds circles.
const DEPTH_MAX: usize = 64;
/// Longer arrays are the engine's: they may be empty for most of their length.
const ITEMS_MAX: f64 = 100_000.0;

/// The JSON text of `value`, indented by so many spaces; `None` where it is not plain data: proxies,
/// dates, classes, `toJSON`, big integers, halves of surrogate pairs, circles, anything large.
/// `object` and `array` are the prototypes that plain data has.
pub(super) fn stringify<'js>(
    ctx: &Ctx<'js>,
    value: &Value<'js>,
    indent: usize,
    object: Object<'js>,
    array: Object<'js>,
) -> Option<String> {
    // The array's prototype inherits from the object's, so this looks at both.
    if array.contains_key(PredefinedAtom::ToJSON).ok()? {
        return None;
    }
    let mut writer = Writer { object, array, out: String::with_capacity(1_024), indent };
    let written = writer.value(value, 0);
    if written != Some(true) {
        // What a getter threw is thrown again when the engine asks it.
        drop(ctx.catch());
        return None;
    }
    Some(writer.out)
}

struct Writer<'js> {
    object: Object<'js>,
    array: Object<'js>,
    out: String,
    indent: usize,
}

impl<'js> Writer<'js> {
    /// Writes a value: `Some(false)` where JSON has none for it, `None` where it is not plain.
    fn value(&mut self, value: &Value<'js>, depth: usize) -> Option<bool> {
        if self.out.len() > BYTES_MAX || depth > DEPTH_MAX {
            return None;
        }
        if let Some(text) = value.as_string() {
            quote(&text.to_string().ok()?, &mut self.out);
        } else if let Some(number) = value.as_int() {
            self.out.push_str(&number.to_string());
        } else if let Some(number) = value.as_float() {
            if number.is_finite() {
                self.out.push_str(&value.get::<Coerced<String>>().ok()?.0);
            } else {
                self.out.push_str("null");
            }
        } else if let Some(truth) = value.as_bool() {
            self.out.push_str(if truth { "true" } else { "false" });
        } else if value.is_null() {
            self.out.push_str("null");
        } else if value.is_undefined() || value.is_function() || value.is_symbol() {
            return Some(false);
        } else if value.is_proxy() {
            return None;
        } else if let Some(array) = value.as_array() {
            self.array(array, depth)?;
        } else {
            self.object(value.as_object()?, depth)?;
        }
        Some(true)
    }

    fn array(&mut self, array: &Array<'js>, depth: usize) -> Option<()> {
        // Not `array.len()`: it has no answer for arrays longer than an integer.
        let length: f64 = array.as_object().get(PredefinedAtom::Length).ok()?;
        if array.get_prototype()? != self.array
            || array.contains_key(PredefinedAtom::ToJSON).ok()?
            || length > ITEMS_MAX
        {
            return None;
        }
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "in range")]
        let length = length as usize;
        self.out.push('[');
        for index in 0..length {
            if index > 0 {
                self.out.push(',');
            }
            self.line(depth + 1);
            let item: Value<'js> = array.get(index).ok()?;
            if !self.value(&item, depth + 1)? {
                self.out.push_str("null");
            }
        }
        if length > 0 {
            self.line(depth);
        }
        self.out.push(']');
        Some(())
    }

    fn object(&mut self, object: &Object<'js>, depth: usize) -> Option<()> {
        if object.get_prototype()? != self.object {
            return None;
        }
        self.out.push('{');
        let mut empty = true;
        // As the engine's own strings: a Rust string would hide half of a surrogate pair.
        for property in object.props::<rquickjs::String<'js>, Value<'js>>() {
            let (key, value) = property.ok()?;
            let key = key.to_string().ok()?;
            if key == "toJSON" {
                return None;
            }
            let before = self.out.len();
            if !empty {
                self.out.push(',');
            }
            self.line(depth + 1);
            quote(&key, &mut self.out);
            self.out.push_str(if self.indent > 0 { ": " } else { ":" });
            if self.value(&value, depth + 1)? {
                empty = false;
            } else {
                self.out.truncate(before);
            }
        }
        if !empty {
            self.line(depth);
        }
        self.out.push('}');
        Some(())
    }

    /// A new line at `depth`, where lines are asked for.
    fn line(&mut self, depth: usize) {
        if self.indent > 0 {
            self.out.push('\n');
            self.out.extend(std::iter::repeat_n(' ', self.indent * depth));
        }
    }
}

/// Where the first byte is that is written otherwise. Blocks first, which the compiler turns into a
/// few instructions each.
fn first_special(bytes: &[u8]) -> Option<usize> {
    const BLOCK: usize = 32;
    let special = |byte: u8| byte < 0x20 || byte == b'"' || byte == b'\\';
    let has_one = |block: &[u8]| block.iter().fold(false, |found, byte| found | special(*byte));
    let block = bytes.chunks(BLOCK).position(has_one)? * BLOCK;
    let within = bytes.get(block..)?.iter().position(|byte| special(*byte))?;
    Some(block + within)
}

/// Appends a text in quotes, escaped as `JSON.stringify` does.
pub(super) fn quote(text: &str, out: &mut String) {
    out.push('"');
    let mut rest = text;
    while let Some(at) = first_special(rest.as_bytes()) {
        let (plain, special) = rest.split_at(at);
        out.push_str(plain);
        match special.as_bytes().first().copied().unwrap_or(b'"') {
            b'"' => out.push_str("\\\""),
            b'\\' => out.push_str("\\\\"),
            b'\n' => out.push_str("\\n"),
            b'\r' => out.push_str("\\r"),
            b'\t' => out.push_str("\\t"),
            8 => out.push_str("\\b"),
            12 => out.push_str("\\f"),
            other => {
                out.push_str("\\u00");
                for digit in [other >> 4, other & 15] {
                    out.extend(char::from_digit(digit.into(), 16));
                }
            }
        }
        rest = special.get(1..).unwrap_or("");
    }
    out.push_str(rest);
    out.push('"');
}
