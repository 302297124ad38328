//! Where Claude Code sends its requests, by whose word, and whether somebody is there.

use super::super::context::Context;
use super::super::health::{Health, origin};
use super::settings::ClientSettings;
use crate::config::environment::{ANTHROPIC_BASE_URL, OTHER_APIS, is_on};
use crate::report::checkup::Check;
use crate::report::page::fitted;

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
    let (shown, health) = (origin(url)?, Health::of(url)?);
    Some(match health {
        Health::Admits => Check::ok(NAME, format!("{shown} admits requests")),
        Health::Refuses(why) => Check::fail(
            NAME,
            format!("{shown} admits nothing: {}", fitted(&why, WIDTH_MAX)),
            "see what it says where it was started",
        ),
        Health::IsNone(status) => Check::warn(
            NAME,
            format!("{shown} answers with {status}, as no gateway of flyball does"),
            "see what listens there",
        ),
        Health::Silent(error) => Check::fail(
            NAME,
            format!("nobody answers at {shown}: {error}"),
            "start one: flyball gateway",
        ),
    })
}
