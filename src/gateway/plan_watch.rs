//! What answers say of their account's plan windows, and what that stands against.
//!
//! Two things are learned of each answer: how far the windows of the credential it was asked with are
//! used, and what the account is called. A credential is known by a hash that this process alone can
//! make and that is kept nowhere; an account by a hash of the id that the API sends with its answers.
//! Nothing is asked of the API for any of this.

use std::collections::hash_map::RandomState;
use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;
use std::hash::BuildHasher;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderValue};
use jiff::{SignedDuration, Timestamp};
use sha2::{Digest, Sha256};

use crate::amount::PlanWindow;
use crate::budget::{PlanLimits, PlanReached};
use crate::calibrate::Sighting;
use crate::messages::{WindowReading, plan_windows};
use crate::money::Picodollars;

/// What an account is called whose answers do not say.
pub const UNNAMED_ACCOUNT: &str = "unnamed";
/// Names the account, on answers of the API.
const ORGANIZATION: &str = "anthropic-organization-id";
/// Bytes of the hash that an account is called by.
const NAME_BYTES: usize = 4;
/// What did not move is written down again after so long, so that a reader sees how old it is.
const AGAIN_AFTER: SignedDuration = SignedDuration::from_mins(5);
/// Credentials that are remembered at once; beyond so many all are forgotten.
const CREDENTIALS_MAX: usize = 1_024;
/// Sightings that wait to be written; beyond so many the oldest are lost, and with them the dollars
/// that they count, which makes a percent seem worth less.
const WAITING_MAX: usize = 1_024;

/// The plan windows of whoever asks through one gateway.
#[derive(Debug, Default)]
pub struct PlanWatch {
    hasher: RandomState,
    seen: Mutex<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    limits: PlanLimits,
    /// The latest by credential.
    own: HashMap<u64, BTreeMap<PlanWindow, WindowReading>>,
    /// The latest by account and window, of whoever wrote it down.
    known: BTreeMap<(String, PlanWindow), Sighting>,
    /// What was settled since the last sighting that was written down.
    unwritten: BTreeMap<(String, PlanWindow), Picodollars>,
    waiting: Vec<Sighting>,
}

impl PlanWatch {
    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A name for the credential that the upstream sees, which means nothing to any other process.
    pub(crate) fn credential(&self, own: Option<&HeaderValue>, headers: &HeaderMap) -> u64 {
        let sent = [headers.get(AUTHORIZATION), headers.get("x-api-key")];
        match own {
            Some(own) => self.hasher.hash_one(own.as_bytes()),
            None => self.hasher.hash_one(sent.map(|value| value.map(HeaderValue::as_bytes))),
        }
    }

    /// Takes down what an answer to `credential` says; the account that it is charged to, where it
    /// says anything.
    pub(crate) fn observe(
        &self,
        credential: u64,
        headers: &HeaderMap,
        now: Timestamp,
    ) -> Option<Arc<str>> {
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let readings = plan_windows(text);
        if readings.is_empty() {
            return None;
        }
        let account = account(text(ORGANIZATION));
        let mut seen = self.seen();
        if seen.own.len() >= CREDENTIALS_MAX && !seen.own.contains_key(&credential) {
            seen.own.clear();
        }
        for reading in readings {
            seen.own.entry(credential).or_default().insert(reading.window, reading);
            seen.take(&account, reading, now);
        }
        Some(account.into())
    }

    /// `account` has settled so much.
    pub(crate) fn settled(&self, account: &str, usd: Picodollars) {
        let mut seen = self.seen();
        for window in PlanWindow::ALL {
            *seen.unwritten.entry((account.to_owned(), window)).or_insert(Picodollars::ZERO) += usd;
        }
    }

    /// What stands against one more request with `credential`.
    pub(crate) fn reached(&self, credential: u64, now: Timestamp) -> Option<PlanReached> {
        let seen = self.seen();
        if seen.limits.is_none() {
            return None;
        }
        // Where both do, the one that ends last: waiting for less would not help.
        let reached = |window| {
            let (used, resets_at) = seen.used(credential, window, now)?;
            seen.limits.reached(window, used, resets_at)
        };
        PlanWindow::ALL.into_iter().filter_map(reached).max_by_key(|reached| reached.resets_at)
    }

    /// The soft limits from now on, and what others have seen meanwhile.
    pub fn learn(&self, limits: PlanLimits, sightings: impl IntoIterator<Item = Sighting>) {
        let mut seen = self.seen();
        seen.limits = limits;
        for sighting in sightings {
            let key = (sighting.account.clone(), sighting.window);
            if seen.known.get(&key).is_none_or(|known| known.at < sighting.at) {
                seen.known.insert(key, sighting);
            }
        }
    }

    /// What is to be written down, oldest first.
    pub fn take_unwritten(&self) -> Vec<Sighting> {
        std::mem::take(&mut self.seen().waiting)
    }

    /// Lets what was settled since the last sightings be written down with them, once nothing more is
    /// seen.
    pub fn close(&self) {
        let mut seen = self.seen();
        let unwritten = std::mem::take(&mut seen.unwritten);
        for (key, settled) in unwritten.into_iter().filter(|(_, usd)| !usd.is_zero()) {
            let last = seen.known.get(&key).map(|known| Sighting { settled, ..known.clone() });
            seen.waiting.extend(last);
        }
    }

    /// Gives back what could not be written down.
    pub fn put_back(&self, mut sightings: Vec<Sighting>) {
        let mut seen = self.seen();
        sightings.append(&mut seen.waiting);
        let lost = sightings.len().saturating_sub(WAITING_MAX);
        seen.waiting = sightings.split_off(lost);
    }
}

impl Seen {
    /// Notes a reading, to be written down where it says something new.
    fn take(&mut self, account: &str, reading: WindowReading, now: Timestamp) {
        let key = (account.to_owned(), reading.window);
        let is_known = self.known.get(&key).is_some_and(|known| {
            known.used_milli_percent == reading.used_milli_percent
                && known.is_of_end(reading.resets_at)
                && now.duration_since(known.at) < AGAIN_AFTER
        });
        if is_known {
            return;
        }
        let sighting = Sighting {
            at: now,
            account: account.to_owned(),
            window: reading.window,
            used_milli_percent: reading.used_milli_percent,
            resets_at: reading.resets_at,
            settled: self.unwritten.remove(&key).map_or(Picodollars::ZERO, |usd| usd),
        };
        if self.waiting.len() < WAITING_MAX {
            self.waiting.push(sighting.clone());
        }
        self.known.insert(key, sighting);
    }

    /// How far the open window of a credential is used, and when it ends. Others look at the same
    /// window where it has the same end; where only one open window is known at all, it is taken for
    /// this credential's, which may be new since its token was renewed.
    fn used(
        &self,
        credential: u64,
        window: PlanWindow,
        now: Timestamp,
    ) -> Option<(u64, Timestamp)> {
        let own = self.own.get(&credential).and_then(|readings| readings.get(&window));
        let own = own.filter(|reading| now < reading.resets_at);
        let mut open =
            self.known.values().filter(|seen| seen.window == window && seen.is_open(now));
        if let Some(own) = own {
            let others = open.filter(|seen| seen.is_of_end(own.resets_at));
            let used = others.map(|seen| seen.used_milli_percent).chain([own.used_milli_percent]);
            return Some((used.max()?, own.resets_at));
        }
        let first = open.next()?;
        let most = open.try_fold(first.used_milli_percent, |most, seen| {
            seen.is_of_end(first.resets_at).then(|| most.max(seen.used_milli_percent))
        });
        Some((most?, first.resets_at))
    }
}

/// What the account with this id is called.
fn account(organization: Option<&str>) -> String {
    let Some(organization) = organization else { return UNNAMED_ACCOUNT.to_owned() };
    let digest = Sha256::new_with_prefix("flyball plan account\n").chain_update(organization);
    digest.finalize().iter().take(NAME_BYTES).fold(String::new(), |mut name, byte| {
        let _ = write!(name, "{byte:02x}");
        name
    })
}
