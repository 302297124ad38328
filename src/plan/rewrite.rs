//! A script rewritten so that its stages ask for what the policy chose. Decides which calls can be
//! changed and names what cannot; how a call's text is changed is the workflow room's.
//!
//! A call is changed only where everything that the samples saw of it is routed alike, or where its
//! own literals tell the stages apart. What is left runs as written unless it is held elsewhere.

use std::collections::BTreeMap;
use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::effort::Effort;
use crate::plan::call_spot::{CallSpot, StageCalls};
use crate::plan::planner::Plan;
use crate::plan::report::StagePlan;
use crate::policy::Routing;
use crate::workflow::{
    AgentSite, ForeignEdit, ModelSetting, Obstacle, Rewritten, Settings, SpanEdit, TextEdit,
    WorkflowFacts,
};

/// A script after a policy was applied to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Rewrite {
    /// The whole text. Equal to the script's where nothing changed.
    pub text: String,
    /// The edits that were made, in the order of the text. None of them adds or removes a line.
    pub edits: Vec<TextEdit>,
    /// What was changed, by place and stage.
    pub changed: Vec<Changed>,
    /// What was not, by place and stage: routes that the text does not carry, and calls that no
    /// sample made.
    pub left: Vec<Left>,
}

/// A stage's call that was changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Changed {
    /// The stage's name in the plan.
    pub stage: String,
    /// Line of the call, from 1: the same before and after, since edits add and remove none.
    pub line: u32,
    /// Column of the call in the script as it was, in characters, from 1.
    pub column: u32,
    /// The model as written.
    pub from: String,
    /// The model that the call asks for now; equal to `from` where only the effort changed.
    pub to: String,
    /// The effort that it asks for now, where that changed.
    pub effort: Option<Effort>,
    /// The rule that decided.
    pub rule: String,
}

/// A call that was not changed, or not in all that was wanted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Left {
    /// The stage's name in the plan; null for a call that no sample made.
    pub stage: Option<String>,
    /// Line of the call, from 1; null where it is not in this script or not known.
    pub line: Option<u32>,
    /// The model that the stage was to run on, where the call does not ask for it.
    pub to: Option<String>,
    /// The effort that it was to run at, where the call does not ask for it.
    pub effort: Option<Effort>,
    /// Why.
    pub why: Why,
}

/// Why a call was left.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "reason", rename_all = "kebab-case")]
pub enum Why {
    /// No sample made it, so that nothing was decided for it.
    Unreached,
    /// The same call serves a stage that is routed otherwise.
    Shared {
        /// That stage.
        with: String,
    },
    /// The agents that it starts ask for several efforts.
    Efforts,
    /// Its arguments are spread: which of them are the options is decided when it runs.
    Spread,
    /// It is in a child workflow, another file.
    Child {
        /// The child's name.
        workflow: String,
    },
    /// It is not written as `agent(…)`, or the script gives that name another meaning.
    Unnamed,
    /// The script has more calls than are looked at.
    TooMany,
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreached => f.write_str("no sample made this call"),
            Self::Shared { with } => {
                write!(f, "the same call serves `{with}`, which is routed otherwise")
            }
            Self::Efforts => f.write_str("its agents ask for several efforts"),
            Self::Spread => f.write_str("its arguments are spread"),
            Self::Child { workflow } => {
                write!(f, "it is called in the child workflow `{workflow}`")
            }
            Self::Unnamed => f.write_str(
                "it is not called as `agent(…)`, or the script binds the name `agent` itself",
            ),
            Self::TooMany => {
                write!(f, "only the first {} calls are looked at", WorkflowFacts::LIST_MAX)
            }
        }
    }
}

/// What a stage's calls are to ask for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Target {
    model: Option<String>,
    effort: Option<Effort>,
}

/// A stage of the plan, as far as a rewrite needs it.
struct Routed<'a> {
    stage: &'a StagePlan,
    calls: &'a StageCalls,
    target: Target,
    /// The effort that its calls ask for once they are changed.
    effort: Option<Effort>,
}

impl<'a> Routed<'a> {
    fn of(stage: &'a StagePlan, routing: &Routing, calls: &'a StageCalls) -> Self {
        let route = &stage.route;
        let name = route.priced_as.clone().unwrap_or_else(|| route.model.0.to_string());
        let asked = calls.effort.as_deref().and_then(Effort::from_name);
        // `--fit` replaces a rule's whole route.
        let by_rule = route.rule == routing.rule;
        // An effort that the model does not have is the client's to drop.
        let set = routing.effort.filter(|effort| by_rule && Some(*effort) != asked);
        Self {
            stage,
            calls,
            target: Target {
                model: (route.model != route.as_written).then_some(name),
                effort: set,
            },
            effort: set.or(asked),
        }
    }

    fn asked(&self) -> String {
        self.stage.route.requested.clone().unwrap_or_default()
    }

    fn left(&self, line: Option<u32>, target: &Target, why: Why) -> Left {
        let Target { model, effort } = target.clone();
        Left { stage: Some(self.stage.name.clone()), line, to: model, effort, why }
    }

    fn is_moved(&self) -> bool {
        self.target != Target::default()
    }
}

/// Applies the routes of `plan` to `text`, the script that it was made from; `facts` are what is
/// known of that text.
///
/// # Errors
/// [`ForeignEdit`] where `facts` are of another text.
pub fn rewrite(text: &str, facts: &WorkflowFacts, plan: &Plan) -> Result<Rewrite, ForeignEdit> {
    let stages = plan.report.stages.iter().zip(&plan.routings).zip(&plan.calls);
    let routed: Vec<Routed<'_>> =
        stages.map(|((stage, routing), calls)| Routed::of(stage, routing, calls)).collect();
    let mut work = Work { edits: Vec::new(), changed: Vec::new(), left: Vec::new() };
    let mut by_place: BTreeMap<(u32, u32), Vec<&Routed<'_>>> = BTreeMap::new();
    for one in &routed {
        for spot in &one.calls.spots {
            match spot {
                CallSpot::Script { line, column } => {
                    by_place.entry((*line, *column)).or_default().push(one);
                }
                CallSpot::Child(name) => {
                    work.leave(one, None, Why::Child { workflow: name.to_string() });
                }
                CallSpot::Unnamed => work.leave(one, None, Why::Unnamed),
            }
        }
    }
    for site in &facts.agent_sites {
        match by_place.remove(&(site.place.line, site.place.column)) {
            Some(users) => work.site(site, &users),
            None => work.left.push(Left {
                stage: None,
                line: Some(site.place.line),
                to: None,
                effort: None,
                why: Why::Unreached,
            }),
        }
    }
    for ((line, _), users) in by_place {
        for one in users {
            work.leave(one, Some(line), Why::TooMany);
        }
    }
    let Rewritten { text, edits } = Rewritten::make(text, work.edits)?;
    Ok(Rewrite { text, edits, changed: work.changed, left: work.left })
}

/// The stages that one call serves.
type Users<'u, 'a> = [&'u Routed<'a>];

struct Work {
    edits: Vec<SpanEdit>,
    changed: Vec<Changed>,
    left: Vec<Left>,
}

impl Work {
    fn leave(&mut self, one: &Routed<'_>, line: Option<u32>, why: Why) {
        if one.is_moved() {
            self.left.push(one.left(line, &one.target, why));
        }
    }

    /// A model goes with its effort or without, an effort never without its model: it was chosen
    /// among that model's.
    fn site(&mut self, site: &AgentSite, users: &Users<'_, '_>) {
        let line = Some(site.place.line);
        let effort = effort_for(users);
        let set = model_for(site, users).and_then(|model| {
            let settings = Settings { model, effort: effort.as_ref().ok().copied().flatten() };
            site.set(&settings).map_err(|obstacle| match obstacle {
                Obstacle::Spread | Obstacle::NoPrompt => Clash::Spread,
                Obstacle::OneText => Clash::Shared,
            })
        });
        match set {
            Ok(edits) => self.edits.extend(edits),
            Err(clash) => {
                for one in users {
                    let alike = |other: &Routed<'_>| other.target.model == one.target.model;
                    self.leave(one, line, clash.why(one, users, alike));
                }
                return;
            }
        }
        for one in users {
            let mut made = one.target.clone();
            if let Err(clash) = &effort
                && let Some(effort) = made.effort.take()
            {
                let missed = Target { model: None, effort: Some(effort) };
                let alike = |other: &Routed<'_>| other.effort == one.effort;
                self.left.push(one.left(line, &missed, clash.why(one, users, alike)));
            }
            if made != Target::default() {
                self.changed.push(changed(one, site, made));
            }
        }
    }
}

fn changed(one: &Routed<'_>, site: &AgentSite, made: Target) -> Changed {
    let route = &one.stage.route;
    let from = route.as_written.0.to_string();
    Changed {
        stage: one.stage.name.clone(),
        line: site.place.line,
        column: site.place.column,
        to: made.model.unwrap_or_else(|| from.clone()),
        from,
        effort: made.effort,
        rule: route.rule.clone(),
    }
}

/// Why one text cannot do for all who use a call.
enum Clash {
    /// They are routed differently.
    Shared,
    /// It has no options that could be told.
    Spread,
}

impl Clash {
    /// The reason for a stage: the first other that is not `alike`. Stages of one name differ in
    /// what they ask for.
    fn why(
        &self,
        own: &Routed<'_>,
        users: &Users<'_, '_>,
        alike: impl Fn(&Routed<'_>) -> bool,
    ) -> Why {
        let others = || users.iter().filter(|other| !alike(other));
        match self {
            Self::Spread => Why::Spread,
            Self::Shared => others()
                .find(|other| other.calls.work != own.calls.work)
                .map_or(Why::Efforts, |other| Why::Shared { with: other.stage.name.clone() }),
        }
    }
}

/// The model to set where all `users` are called; nothing where all keep theirs.
fn model_for(site: &AgentSite, users: &Users<'_, '_>) -> Result<Option<ModelSetting>, Clash> {
    let mut by_asked: BTreeMap<String, &Option<String>> = BTreeMap::new();
    for one in users {
        let known = by_asked.entry(one.asked()).or_insert(&one.target.model);
        if **known != one.target.model {
            return Err(Clash::Shared);
        }
    }
    let wanted: BTreeMap<String, String> =
        by_asked.iter().filter_map(|(asked, to)| Some((asked.clone(), (*to).clone()?))).collect();
    let Some(first) = wanted.values().next() else { return Ok(None) };
    // Literals tell apart what no sample called too: that stays.
    if wanted.keys().all(|asked| site.tells_apart(asked)) {
        return Ok(Some(ModelSetting::ByAsked(wanted)));
    }
    let alike = wanted.len() == by_asked.len() && wanted.values().all(|to| to == first);
    if alike { Ok(Some(ModelSetting::Always(first.clone()))) } else { Err(Clash::Shared) }
}

/// The effort to set where all `users` are called; nothing where all keep theirs.
fn effort_for(users: &Users<'_, '_>) -> Result<Option<Effort>, Clash> {
    let Some(set) = users.iter().find_map(|one| one.target.effort) else { return Ok(None) };
    let alike = users.iter().all(|one| one.effort == Some(set));
    if alike { Ok(Some(set)) } else { Err(Clash::Shared) }
}
