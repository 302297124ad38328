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

/// The names of the lists of a schema that have `maxItems`, with it, at any depth.
pub(super) fn bounded_lists(schema: &str) -> Vec<(String, u64)> {
    let mut found = Vec::new();
    if let Ok(schema) = serde_json::from_str(schema) {
        collect_lists(&schema, &mut found);
    }
    found
}

fn collect_lists(schema: &Value, found: &mut Vec<(String, u64)>) {
    if let Some(items) = schema.get("items") {
        collect_lists(items, found);
    }
    let properties = schema.get("properties").and_then(Value::as_object);
    for (name, property) in properties.into_iter().flatten() {
        let max = property.get("maxItems").and_then(Value::as_u64);
        found.extend(max.map(|max| (name.clone(), max)));
        collect_lists(property, found);
    }
}
