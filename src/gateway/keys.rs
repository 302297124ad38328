//! Keys that callers are known by, where a gateway asks for them. Only their hashes are kept: a key
//! is long and drawn at random, so nobody finds it from its hash.

use std::collections::{BTreeSet, HashMap};
use std::fmt::Write as _;
use std::sync::{Arc, OnceLock, PoisonError, RwLock};

use http::HeaderMap;
use http::header::AUTHORIZATION;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// What every key begins with, so that people and scanners of secrets know one.
const LEAD: &str = "flyball-";
/// Random bytes of a key.
const BYTES: usize = 24;
/// The version of the file.
const VERSION: u32 = 1;

/// The keys of a gateway, as they are kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyFile {
    /// The version of the format.
    pub version: u32,
    /// In the order they were added.
    pub keys: Vec<KeptKey>,
}

/// One key, as it is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeptKey {
    /// Whose it is.
    pub name: String,
    /// The project that its requests are charged to.
    pub project: String,
    /// SHA-256 of the key, in hex.
    pub sha256: String,
    /// When it was added.
    pub added_at: Timestamp,
    /// When it was revoked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked_at: Option<Timestamp>,
}

/// What cannot be done to keys.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// The name is in use.
    #[error("there is a key of `{0}` already")]
    Taken(String),
    /// No such key is in use.
    #[error("no key of `{0}` is in use")]
    Unknown(String),
    /// The file is of a version that this flyball cannot read.
    #[error("the file of keys has version {0}; this flyball reads version {VERSION}")]
    Version(u32),
}

impl Default for KeyFile {
    fn default() -> Self {
        Self { version: VERSION, keys: Vec::new() }
    }
}

impl KeyFile {
    /// Checks that it can be read.
    ///
    /// # Errors
    /// It is of another version.
    pub fn checked(self) -> Result<Self, KeyError> {
        if self.version == VERSION { Ok(self) } else { Err(KeyError::Version(self.version)) }
    }

    /// Adds a key made of `random`; the key, which is told once and kept nowhere.
    ///
    /// # Errors
    /// The name is in use.
    pub fn add(
        &mut self,
        name: &str,
        project: &str,
        random: [u8; BYTES],
        now: Timestamp,
    ) -> Result<String, KeyError> {
        if self.in_use().any(|key| key.name == name) {
            return Err(KeyError::Taken(name.to_owned()));
        }
        let key = format!("{LEAD}{}", hex(&random));
        self.keys.push(KeptKey {
            name: name.to_owned(),
            project: project.to_owned(),
            sha256: hash(&key),
            added_at: now,
            revoked_at: None,
        });
        Ok(key)
    }

    /// Revokes the key of `name`.
    ///
    /// # Errors
    /// None is in use.
    pub fn revoke(&mut self, name: &str, now: Timestamp) -> Result<(), KeyError> {
        let is_it = |key: &&mut KeptKey| key.name == name && key.revoked_at.is_none();
        let key = self.keys.iter_mut().find(is_it);
        key.ok_or_else(|| KeyError::Unknown(name.to_owned()))?.revoked_at = Some(now);
        Ok(())
    }

    fn in_use(&self) -> impl Iterator<Item = &KeptKey> {
        self.keys.iter().filter(|key| key.revoked_at.is_none())
    }
}

/// The keys in use, by their hashes. Clones share them: what one is told, all know.
#[derive(Clone, Debug, Default)]
pub struct KeyRing(Arc<Ring>);

#[derive(Debug, Default)]
struct Ring {
    keys: RwLock<HashMap<String, KeyOwner>>,
    /// The projects that may be charged; unset for every one.
    projects: OnceLock<BTreeSet<String>>,
}

/// What became of keys that were renewed.
#[derive(Debug)]
pub struct Renewed {
    /// Whether others are in use than before.
    pub changed: bool,
    /// Whose are not in use, since their projects may not be charged.
    pub left: Vec<KeyOwner>,
}

/// Whose a key is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct KeyOwner {
    /// Whose it is.
    pub name: String,
    /// The project that is charged.
    pub project: String,
}

impl KeyRing {
    /// The keys of `file` that are in use.
    pub fn of(file: &KeyFile) -> Self {
        let ring = Self::default();
        ring.renew(file);
        ring
    }

    /// From now on the keys of `file` are in use, and no others.
    pub fn renew(&self, file: &KeyFile) -> Renewed {
        let owner =
            |key: &KeptKey| KeyOwner { name: key.name.clone(), project: key.project.clone() };
        let is_charged = |owner: &KeyOwner| {
            self.0.projects.get().is_none_or(|projects| projects.contains(&owner.project))
        };
        let all = file.in_use().map(|key| (key.sha256.clone(), owner(key)));
        let (taken, left): (HashMap<_, _>, HashMap<_, _>) =
            all.partition(|(_, owner)| is_charged(owner));
        let mut keys = self.0.keys.write().unwrap_or_else(PoisonError::into_inner);
        let changed = *keys != taken;
        *keys = taken;
        Renewed { changed, left: left.into_values().collect() }
    }

    /// The projects that are charged, each once.
    pub fn projects(&self) -> BTreeSet<String> {
        let keys = self.0.keys.read().unwrap_or_else(PoisonError::into_inner);
        keys.values().map(|owner| owner.project.clone()).collect()
    }

    /// From the next renewal on no other projects are charged than these. Only the first call counts.
    pub fn charge_only(&self, projects: BTreeSet<String>) {
        let _first = self.0.projects.set(projects);
    }

    /// Whose key `headers` carry, as `x-api-key` or as a bearer's.
    pub(crate) fn owner(&self, headers: &HeaderMap) -> Option<KeyOwner> {
        let bearer = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
        let bearer = bearer.and_then(|value| value.strip_prefix("Bearer "));
        let plain = headers.get("x-api-key").and_then(|value| value.to_str().ok());
        let hashes = [plain, bearer].map(|key| key.map(|key| hash(key.trim())));
        let keys = self.0.keys.read().unwrap_or_else(PoisonError::into_inner);
        hashes.iter().flatten().find_map(|hash| keys.get(hash)).cloned()
    }
}

fn hash(key: &str) -> String {
    hex(&Sha256::digest(key.as_bytes()))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
