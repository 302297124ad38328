//! Where functions begin and end. Owns the scan for bodies; the limit is a rule's.

use super::source::{Source, is_word, line_at, occurrences};

/// A function with a body.
pub(super) struct Function {
    pub(super) name: String,
    pub(super) offset: usize,
    /// Lines from `fn` to the closing brace, both counted.
    pub(super) lines: usize,
}

/// The functions of a file, in order.
pub(super) fn functions(source: &Source) -> Vec<Function> {
    occurrences(&source.code, "fn").filter_map(|offset| function_at(source, offset)).collect()
}

fn function_at(source: &Source, offset: usize) -> Option<Function> {
    let code = &source.code[offset..];
    let name: String = code["fn".len()..]
        .trim_start()
        .chars()
        .take_while(|character| is_word(*character))
        .collect();
    if name.is_empty() {
        return None; // `fn(u32) -> u32` is a type
    }
    let body = body_start(code)?;
    let end = body + closing_brace(&code[body..])?;
    let lines = line_at(code, end) - line_at(code, 0) + 1;
    Some(Function { name, offset, lines })
}

/// The offset of the brace that opens the body; `None` for a declaration that ends in `;`.
fn body_start(code: &str) -> Option<usize> {
    let mut depth = 0_i32;
    for (at, character) in code.char_indices() {
        match character {
            '(' | '[' => depth += 1,
            ')' | ']' => depth -= 1,
            '{' if depth == 0 => return Some(at),
            ';' if depth == 0 => return None,
            _ => {}
        }
    }
    None
}

fn closing_brace(code: &str) -> Option<usize> {
    let mut depth = 0;
    for (at, character) in code.char_indices() {
        match character {
            '{' => depth += 1,
            '}' => {
                depth -= 1;
                if depth == 0 {
                    return Some(at);
                }
            }
            _ => {}
        }
    }
    None
}
