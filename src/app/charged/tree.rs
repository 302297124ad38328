//! A run or session with what lies below it, in an order to be read: workflows and phases as they
//! were opened, the agents of each by what they spent. Of many agents only some are shown, the rest
//! as a sum.

use std::collections::{BTreeMap, BTreeSet};

use crate::budget::{Balance, ScopeId, ScopeRow, below as beginning_of, names_in};
use crate::report::budget::{ShownBudget, ShownScope};
use crate::report::number::plural;

/// `root` and what of `rows` lies below it, with at most `agents_max` agents.
pub(super) fn below(root: &ScopeRow, rows: Vec<ScopeRow>, agents_max: usize) -> Vec<ShownScope> {
    let names: Vec<&str> = names_in(&root.path).collect();
    let beginning = beginning_of(&names);
    let mut children: BTreeMap<ScopeId, Vec<ScopeRow>> = BTreeMap::new();
    for row in rows.into_iter().filter(|row| row.path.starts_with(&beginning)) {
        if let Some(parent) = row.parent {
            children.entry(parent).or_default().push(row);
        }
    }
    let mut agents: Vec<&ScopeRow> =
        children.values().flatten().filter(|row| is_agent(row)).collect();
    agents.sort_by_key(|row| by_spending(row));
    let shown = agents.iter().take(agents_max).map(|row| row.id).collect();
    let mut tree = Tree { children, shown, scopes: Vec::new() };
    tree.add(root, 0);
    tree.scopes
}

/// Whoever was stopped by hand first, then who spent most.
fn by_spending(row: &ScopeRow) -> (bool, std::cmp::Reverse<i128>, ScopeId) {
    (!row.paused, std::cmp::Reverse(row.settled.usd.pico()), row.id)
}

fn leaf(row: &ScopeRow) -> &str {
    names_in(&row.path).last().unwrap_or("")
}

fn is_agent(row: &ScopeRow) -> bool {
    leaf(row).starts_with("agent ")
}

struct Tree {
    children: BTreeMap<ScopeId, Vec<ScopeRow>>,
    /// The agents that are shown.
    shown: BTreeSet<ScopeId>,
    scopes: Vec<ShownScope>,
}

impl Tree {
    /// Adds `row`, and below it what lies there. A path has at most 16 levels.
    fn add(&mut self, row: &ScopeRow, level: usize) {
        let budget = ShownBudget::of(leaf(row), row.paused, &row.balance());
        self.scopes.push(ShownScope { level, budget });
        let below = self.children.remove(&row.id).unwrap_or_default();
        let (mut agents, others): (Vec<_>, Vec<_>) = below.into_iter().partition(is_agent);
        for other in &others {
            self.add(other, level + 1);
        }
        agents.sort_by_key(by_spending);
        let (shown, rest): (Vec<_>, Vec<_>) =
            agents.into_iter().partition(|agent| self.shown.contains(&agent.id));
        for agent in &shown {
            self.add(agent, level + 1);
        }
        if !rest.is_empty() {
            let count = u64::try_from(rest.len()).unwrap_or(u64::MAX);
            let more = if shown.is_empty() { "" } else { "more " };
            let (one, many) = (format!("{more}agent"), format!("{more}agents"));
            let budget = ShownBudget::of(&plural(count, &one, &many), false, &sum(&rest));
            self.scopes.push(ShownScope { level: level + 1, budget });
        }
    }
}

/// What several agents have taken together; together they have no limit.
fn sum(agents: &[ScopeRow]) -> Balance {
    agents.iter().fold(Balance::default(), |sum, agent| Balance {
        settled: sum.settled + agent.settled,
        reserved: sum.reserved + agent.reserved,
        leased: sum.leased + agent.leased,
        ..sum
    })
}
