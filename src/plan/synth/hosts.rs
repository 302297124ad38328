//! Hosts of invented addresses. Owns their names: there are a few dozen of them, so that a script
//! that takes so many pages per host meets several, and all are in domains reserved for examples.

use super::token::Marker;

/// The hosts of each domain.
pub(super) const HOSTS: [&str; 12] = [
    "a1", "a2", "archive", "blog", "docs", "guide", "journal", "library", "media", "news", "pages",
    "wiki",
];
/// The last part of the domains, `example.com` and so on.
pub(super) const ZONES: [&str; 3] = ["com", "net", "org"];

/// Appends the host of an item's address.
pub(super) fn write_host(out: &mut String, marker: Marker) {
    let count = HOSTS.len() * ZONES.len();
    let place = usize::try_from(marker.number() % count as u64).unwrap_or(0);
    let part = |parts: &[&'static str], at: usize| parts.get(at % parts.len()).copied();
    out.push_str(part(&HOSTS, place).unwrap_or("docs"));
    out.push_str(".example.");
    out.push_str(part(&ZONES, place / HOSTS.len()).unwrap_or("com"));
}
