//! What of the settings holds where money is held. A repository's file is as easily written as the
//! script that is to be held: it can make what the user says stricter, and nothing else.

use super::hook_settings::HookSettings;
use super::settings::{Settings, SettingsFile, Whose};
use crate::amount::Amount;

/// What a launch is decided by, where flags say nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GateSettings {
    /// What the user's own file says, with the project's budgets where they are lower.
    pub own: Settings,
    /// What the project's file says: it counts where it is stricter.
    pub project: HookSettings,
}

impl GateSettings {
    /// What `files` say.
    pub fn of(files: &[SettingsFile]) -> Self {
        let project = of(files, Whose::Project);
        let own = of(files, Whose::User);
        let budget = lowest(own.budget.clone(), &project.budget);
        Self { own: Settings { budget, ..own }, project: project.hook }
    }
}

impl Settings {
    /// What `files` say of a run that pays: no prices of the project, no budget of it that is higher
    /// than the user's, and its policy only where the user has none.
    pub fn of_payer(files: &[SettingsFile]) -> Self {
        let (project, own) = (of(files, Whose::Project), of(files, Whose::User));
        Self {
            policy: own.policy.clone().or_else(|| project.policy.clone()),
            budget: lowest(own.budget.clone(), &project.budget),
            prices: own.prices.clone(),
            ..project.over(own)
        }
    }
}

fn of(files: &[SettingsFile], whose: Whose) -> Settings {
    let file = files.iter().find(|file| file.whose == whose);
    file.map_or_else(Settings::default, |file| file.settings.clone())
}

/// In each unit the lower amount of both.
fn lowest(mut own: Vec<Amount>, others: &[Amount]) -> Vec<Amount> {
    for other in others {
        match own.iter_mut().find_map(|amount| Some((amount.lower(*other)?, amount))) {
            Some((lower, amount)) => *amount = lower,
            None => own.push(*other),
        }
    }
    own
}
