//! Reports for programs: pretty-printed, fields in the order of their definition, one line end.

use serde::Serialize;

/// `value` as JSON text.
///
/// Reports hold only maps with text keys and numbers, which always have a JSON form; should one
/// not, the text says so instead of being cut off.
pub fn pretty<T: Serialize>(value: &T) -> String {
    match serde_json::to_string_pretty(value) {
        Ok(text) => text + "\n",
        Err(error) => format!("{}\n", serde_json::json!({ "error": error.to_string() })),
    }
}

/// The JSON Schema of `T`, as published under `docs/schema/`.
pub fn schema<T: schemars::JsonSchema>() -> String {
    pretty(&schemars::schema_for!(T))
}
