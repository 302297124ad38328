//! What of the settings holds where money is held. A repository's file is as easily written as the
//! script that is to be held: it can make what the user says stricter, and nothing else.

use super::hook_settings::HookSettings;
use super::settings::{Settings, SettingsFile, Whose};

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
        let (project, own) = (of(files, Whose::Project), of(files, Whose::User));
        Self { own: Settings { at_most: project.budget, ..own }, project: project.hook }
    }
}

impl Settings {
    /// What `files` say of a run that pays. Of the project's file: what agents run on, its policy where
    /// the user has none, and its budgets where they are lower than what holds without it; nothing
    /// that prices, samples or draws.
    pub fn of_payer(files: &[SettingsFile]) -> Self {
        let (project, own) = (of(files, Whose::Project), of(files, Whose::User));
        Self {
            model: project.model.or(own.model),
            effort: project.effort.or(own.effort),
            policy: own.policy.or(project.policy),
            scope: project.scope.or(own.scope),
            at_most: project.budget,
            ..own
        }
    }
}

fn of(files: &[SettingsFile], whose: Whose) -> Settings {
    let file = files.iter().find(|file| file.whose == whose);
    file.map_or_else(Settings::default, |file| file.settings.clone())
}
