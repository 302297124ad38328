//! Looks up properties in the schema of a stage's results, by the path that `--assume` takes.

use serde_json::Value;

/// The schema of the property at `path` (dots between levels, lists elided) of a schema given as
/// JSON text; `None` where it has none.
pub(super) fn property(schema: &str, path: &str) -> Option<Value> {
    let mut schema: Value = serde_json::from_str(schema).ok()?;
    for name in path.split('.') {
        while let Some(items) = schema.get_mut("items") {
            schema = items.take();
        }
        schema = schema.get_mut("properties")?.get_mut(name)?.take();
    }
    Some(schema)
}
