//! A random tree of scopes with calendar windows beside it, as `run` and a gateway would open it.

use std::rc::Rc;

use flyball::budget::{Charge, Limits, ScopeId, Unit};
use flyball::money::Picodollars;
use flyball::seed::Stream;

use super::desk::Desk;

/// The scopes of one trial; scopes are positions in [`Self::nodes`].
pub(crate) struct Tree {
    pub(crate) nodes: Vec<Node>,
    /// Where requests are charged to.
    pub(crate) leaves: Vec<usize>,
    pub(crate) windows: Vec<usize>,
}

pub(crate) struct Node {
    pub(crate) id: ScopeId,
    pub(crate) limits: Limits,
    parent: Option<usize>,
    names: Vec<String>,
}

impl Tree {
    /// One to four levels under one root or two, and up to two windows. Every root is limited in
    /// dollars to some tens of `least`; what else is limited is drawn.
    pub(crate) fn draw(luck: &mut Stream, desk: &mut Desk, least: Charge) -> Self {
        let mut tree = Self { nodes: Vec::new(), leaves: Vec::new(), windows: Vec::new() };
        for root in 0..=usize::from(luck.chance(0.2)) {
            let limits = drawn_limits(luck, least, true);
            let root = tree.open(desk, None, &format!("org {root}"), limits);
            let mut level = vec![root];
            for depth in 0..luck.below(4) {
                let mut next = Vec::new();
                for parent in level.iter().take(3).copied() {
                    for child in 0..=luck.below(3) {
                        let limits = drawn_limits(luck, least, false);
                        let name = format!("scope {depth}.{child}");
                        next.push(tree.open(desk, Some(parent), &name, limits));
                    }
                }
                level = next;
            }
            tree.leaves.extend(level);
        }
        for window in 0..luck.below(3) {
            let limits = drawn_limits(luck, least, true);
            let window = tree.open(desk, None, &format!("window {window}"), limits);
            tree.windows.push(window);
        }
        tree
    }

    /// Levels under one root, which alone is limited: to `limit` dollars.
    pub(crate) fn under_one_limit(luck: &mut Stream, desk: &mut Desk, limit: Picodollars) -> Self {
        let mut tree = Self { nodes: Vec::new(), leaves: Vec::new(), windows: Vec::new() };
        let run = tree.open(desk, None, "run", Limits::usd(limit));
        for leaf in 0..=luck.below(4) {
            let leaf = tree.open(desk, Some(run), &format!("agent {leaf}"), Limits::NONE);
            tree.leaves.push(leaf);
        }
        tree
    }

    fn open(
        &mut self,
        desk: &mut Desk,
        parent: Option<usize>,
        name: &str,
        limits: Limits,
    ) -> usize {
        let mut names = parent.map_or_else(Vec::new, |parent| self.nodes[parent].names.clone());
        names.push(name.to_owned());
        let above = parent.map(|parent| self.nodes[parent].id);
        let id = desk.open(above, &names, limits);
        self.nodes.push(Node { id, limits, parent, names });
        self.nodes.len() - 1
    }

    /// Everything that a request under `leaf` in these windows is charged to, each once.
    pub(crate) fn path(&self, leaf: usize, windows: &[usize]) -> Rc<[usize]> {
        let mut path = Vec::new();
        for start in std::iter::once(&leaf).chain(windows) {
            let mut next = Some(*start);
            while let Some(node) = next {
                if !path.contains(&node) {
                    path.push(node);
                }
                next = self.nodes[node].parent;
            }
        }
        path.into()
    }
}

/// Limits of some tens of `least` in units drawn at random, in dollars always where `always_usd`.
pub(crate) fn drawn_limits(luck: &mut Stream, least: Charge, always_usd: bool) -> Limits {
    let mut times = || if luck.chance(0.5) { 50 } else { 5 + luck.below(150) };
    let many = [times(), times(), times(), times(), times()];
    let usd = least.usd.scale_ceil(many[0].into(), 1);
    let mut drawn = |p: f64, unit: Unit, number: u64| {
        let each = u64::try_from(least.get(unit)).unwrap().max(1);
        luck.chance(p).then(|| each * number)
    };
    Limits {
        billed_tokens: drawn(0.1, Unit::BilledTokens, many[1]),
        output_tokens: drawn(0.1, Unit::OutputTokens, many[2]),
        requests: drawn(0.1, Unit::Requests, many[3]),
        agents: drawn(0.1, Unit::Agents, many[4] / 12),
        usd: (always_usd || luck.chance(0.4)).then_some(usd),
    }
}
