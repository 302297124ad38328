//! Where settings and files come from: folders, environment names, user files.
//!
//! Owns the names of environment variables, the layering of `flyball.toml`, where a workflow's
//! name leads, and the limits on what is read. Must not know what a plan or a policy is: it
//! hands out text and typed settings.

pub mod environment;
pub mod examples;
pub mod held;
pub mod hook_settings;
pub mod plugins;
pub mod registry;
pub mod scope;
pub mod settings;
pub mod source;

pub use environment::Environment;
pub use registry::{Origin, Registry, SavedWorkflow, WorkflowReference};
pub use scope::{ScopeCounts, ScopeLimits};
pub use settings::{Settings, SettingsError, SettingsFile};
pub use source::{ReadError, SourceFile};
