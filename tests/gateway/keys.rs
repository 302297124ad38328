//! Keys of callers.

use flyball::gateway::{KeyError, KeyFile};
use jiff::Timestamp;

const NOW: Timestamp = Timestamp::UNIX_EPOCH;

#[test]
fn a_key_is_told_once_and_only_its_hash_is_kept() {
    let mut file = KeyFile::default();
    let key = file.add("ann", "shop", [7; 24], NOW).unwrap();
    assert!(key.starts_with("flyball-0707"), "{key}");
    let kept = serde_json::to_string(&file).unwrap();
    assert!(!kept.contains("0707") && kept.contains("\"ann\""), "{kept}");
}

#[test]
fn a_name_has_one_key_at_a_time() {
    let mut file = KeyFile::default();
    file.add("ann", "shop", [7; 24], NOW).unwrap();
    assert_eq!(file.add("ann", "shop", [8; 24], NOW), Err(KeyError::Taken("ann".into())));
    file.revoke("ann", NOW).unwrap();
    assert_eq!(file.revoke("ann", NOW), Err(KeyError::Unknown("ann".into())));
    file.add("ann", "shop", [8; 24], NOW).unwrap();
    assert_eq!(file.keys.len(), 2, "who had a key stays known");
}
