//! By which prices is charged: the shipped ones and the user's, never those that a repository names.

use serde_json::json;

use super::exec_stand::{Ended, Stand, asks};
use flyball::money::Picodollars;

/// Haiku 4.5 at so many dollars a million tokens of output, and a fifth of that for input.
fn haiku_at(output: &str, input: &str) -> String {
    format!(
        "schema = 1\nprovider = \"anthropic\"\n\
         [[source]]\nid = \"contract\"\nurl = \"https://example.com/contract\"\n\
         [[model]]\nid = \"claude-haiku-4-5\"\nline = \"haiku\"\nrank = 200\n\
         status = \"active\"\nreleased = 2025-10-15\ntokenizer = \"claude-old\"\n\
         context = 200_000\nmax_output = 64_000\nmin_cache = 4096\n\
         [[model.price]]\nfrom = 2025-10-15\nstatus = \"confirmed\"\nsources = [\"contract\"]\n\
         checked = 2026-11-22\ninput = \"{input}\"\noutput = \"{output}\"\n\
         cache_write_5m = \"{input}\"\ncache_write_1h = \"{input}\"\ncache_read = \"{input}\"\n"
    )
}

fn write(stand: &Stand, name: &str, text: &str) {
    let path = stand.home().join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
}

fn usd(ended: &Ended) -> Picodollars {
    ended.report["spent_usd"].as_str().expect("a report").parse().unwrap()
}

#[test]
fn the_users_prices_are_charged() {
    let stand = Stand::new();
    write(&stand, ".config/flyball/flyball.toml", "prices = [\"contract.toml\"]\n");
    write(&stand, ".config/flyball/contract.toml", &haiku_at("10", "2"));
    let ended = stand.exec(&["--budget", "1usd"], &json!([asks(), asks()]));
    let billed = stand.upstream.bill().usd;
    assert_eq!(usd(&ended), billed + billed, "twice the list: {ended:?}");
    // What a flag says comes later.
    write(&stand, "project/flag.toml", &haiku_at("20", "4"));
    let flags = ["--budget", "1usd", "--prices", "flag.toml"];
    let ended = stand.exec(&flags, &json!([asks()]));
    let more = stand.upstream.bill().usd - billed;
    assert_eq!(usd(&ended), more + more + more + more, "{ended:?}");
}

#[test]
fn a_repository_names_no_prices_that_are_charged() {
    let stand = Stand::new();
    write(&stand, "project/flyball.toml", "prices = [\"p.toml\"]\n");
    write(&stand, "project/p.toml", &haiku_at("0.001", "0.001"));
    let ended = stand.exec(&["--budget", "0.04usd"], &json!([asks(), asks(), asks()]));
    assert_eq!(ended.code, Some(4), "{ended:?}");
    assert_eq!(usd(&ended), stand.upstream.bill().usd);
    let left_out = "prices of p.toml are left out, since the project's flyball.toml names them";
    assert!(ended.report["notices"].to_string().contains(left_out), "{ended:?}");
    // Whoever starts the client may name them.
    let ended = stand.exec(&["--budget", "0.04usd", "--prices", "p.toml"], &json!([asks()]));
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(usd(&ended) < "0.0001".parse().unwrap(), "{ended:?}");
}

const FOUR: &str = "export const meta = { name: 'four', description: 'Asks' }\n\
    return await parallel([1, 2, 3, 4].map(i => () =>\n\
    agent(`say ${i} @simulate {\"output_tokens\":2000}`, { label: `f${i}`, model: 'claude-haiku-4-5' })))\n";

#[test]
fn a_repository_names_no_prices_that_a_run_pays_by() {
    let stand = Stand::new();
    write(&stand, "project/flyball.toml", "prices = [\"p.toml\"]\nbudget = \"9usd\"\n");
    write(&stand, "project/p.toml", &haiku_at("0.001", "0.001"));
    write(&stand, "project/four.js", FOUR);
    write(&stand, ".config/flyball/flyball.toml", "budget = \"0.5usd\"\n");
    let run = ["run", "four.js", "--agents", "messages", "--yes", "--samples", "5"];
    let url = stand.url();
    let mut run = stand.flyball(&[&run[..], &["--upstream", &url, "--format", "json"]].concat());
    let output = run.output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("prices of p.toml are left out"), "{said}");
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).expect(&said);
    let billed = json!(stand.upstream.bill().usd);
    assert_eq!((output.status.code(), &report["cost_usd"]["spent"]), (Some(0), &billed), "{said}");
    assert_eq!(report["cost_usd"]["limit"], "0.5", "the lower budget holds");
}
