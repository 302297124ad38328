//! Where Claude Code sends its requests, by whose word, and whether somebody is there.

use std::io::{Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

use super::super::context::Context;
use super::settings::ClientSettings;
use crate::config::environment::{ANTHROPIC_BASE_URL, OTHER_APIS, is_on};
use crate::report::checkup::Check;
use crate::report::page::fitted;

/// The longest wait for a gateway.
const PATIENCE: Duration = Duration::from_secs(1);
/// What is read of its answer, bytes.
const BYTES_MAX: u64 = 2_048;
const WIDTH_MAX: usize = 60;

/// A base URL and where it is from.
struct Told {
    url: String,
    by: String,
}

pub(super) fn checks(settings: &ClientSettings, context: &Context) -> Vec<Check> {
    let mut told: Vec<Told> = settings
        .files
        .iter()
        .filter_map(|file| Some(Told { url: file.variable(ANTHROPIC_BASE_URL)?, by: file.name() }))
        .collect();
    let process = context.environment.base_url.as_ref();
    told.extend(process.map(|url| Told { url: url.0.clone(), by: "the environment".to_owned() }));
    let mut checks = vec![route(&told)];
    checks.extend(other_api(settings, context));
    checks.extend(told.first().and_then(|told| gateway(&told.url)));
    checks
}

/// Settings files override the environment, whatever a shell says.
fn route(told: &[Told]) -> Check {
    const NAME: &str = "route";
    let Some((first, others)) = told.split_first() else {
        return Check::ok(NAME, "requests go to the API: nothing sets ANTHROPIC_BASE_URL");
    };
    let Some(shown) = origin(&first.url) else {
        let says = format!("{} sets ANTHROPIC_BASE_URL to something that is no URL", first.by);
        return Check::fail(NAME, says, "set it to http://HOST:PORT, or take it out");
    };
    match others.iter().find(|other| other.url != first.url) {
        None => Check::ok(NAME, format!("requests go to {shown}: {} says so", first.by)),
        Some(other) => {
            let unheard =
                origin(&other.url).unwrap_or_else(|| "something that is no URL".to_owned());
            Check::warn(
                NAME,
                format!(
                    "requests go to {shown}, for {} overrides {}, which says {unheard}",
                    first.by, other.by
                ),
                "take ANTHROPIC_BASE_URL out of the one that is wrong: settings files win over the environment",
            )
        }
    }
}

fn other_api(settings: &ClientSettings, context: &Context) -> Option<Check> {
    let in_files = settings.files.iter().find_map(|file| {
        let on = |name: &&&str| file.variable(name).is_some_and(|value| is_on(&value));
        OTHER_APIS.iter().find(on).map(|name| (*name, file.name()))
    });
    let in_environment = || Some((context.environment.other_api?, "the environment".to_owned()));
    let (name, by) = in_files.or_else(in_environment)?;
    Some(Check::warn(
        "cloud",
        format!("{by} sets {name}: requests go there, and pass a gateway by"),
        "set `provider` in flyball.toml, so that plans use its prices; take it out to use a gateway",
    ))
}

/// Whether a gateway admits requests; `None` where the address is not one of this kind.
fn gateway(url: &str) -> Option<Check> {
    const NAME: &str = "gateway";
    let shown = origin(url)?;
    let host = shown.strip_prefix("http://")?;
    let address = if port(host) { host.to_owned() } else { format!("{host}:80") };
    Some(match health(&address, host) {
        Ok((200, _)) => Check::ok(NAME, format!("{shown} admits requests")),
        Ok((503, why)) => Check::fail(
            NAME,
            format!("{shown} admits nothing: {}", fitted(why.trim(), WIDTH_MAX)),
            "see what it says where it was started",
        ),
        Ok((status, _)) => Check::warn(
            NAME,
            format!("{shown} answers with {status}, as no gateway of flyball does"),
            "see what listens there",
        ),
        Err(error) => Check::fail(
            NAME,
            format!("nobody answers at {shown}: {error}"),
            "start one: flyball gateway",
        ),
    })
}

/// Whether a host ends in its port; `[::1]` has none.
fn port(host: &str) -> bool {
    let tail = host.rsplit(']').next().unwrap_or(host);
    tail.contains(':')
}

/// The status of `GET /health`, and what is said.
fn health(address: &str, host: &str) -> std::io::Result<(u16, String)> {
    let found = address.to_socket_addrs()?.next();
    let found = found.ok_or_else(|| std::io::Error::other("no such host"))?;
    let mut stream = TcpStream::connect_timeout(&found, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    // In one piece: whoever answers early may not read a second.
    let request = format!("GET /health HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes())?;
    let mut bytes = Vec::new();
    stream.take(BYTES_MAX).read_to_end(&mut bytes)?;
    let text = String::from_utf8_lossy(&bytes);
    let status = text.split(' ').nth(1).and_then(|status| status.parse().ok());
    let status = status.ok_or_else(|| std::io::Error::other("it does not speak HTTP"))?;
    let body = text.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    Ok((status, body.to_owned()))
}

/// `http://host:port` of a URL, without whatever could be a secret in it.
fn origin(url: &str) -> Option<String> {
    let (scheme, rest) = url.trim().split_once("://")?;
    let scheme = ["http", "https"].into_iter().find(|known| scheme.eq_ignore_ascii_case(known))?;
    let authority = rest.split(['/', '?', '#']).next()?;
    let host = authority.rsplit('@').next()?;
    let plain = |c: char| c.is_ascii_alphanumeric() || "-._:[]".contains(c);
    (!host.is_empty() && host.chars().all(plain)).then(|| format!("{scheme}://{host}"))
}
