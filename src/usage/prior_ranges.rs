//! What a usage model's numbers may be. Owns the reading of its text and the checks; a model that
//! fails one is refused as a whole.

use crate::effort::Effort;
use crate::usage::{Prior, StageKind, UsageError, Weights};

/// The schema this program reads.
const SCHEMA: u32 = 1;

impl Prior {
    /// Reads and checks a model's text.
    ///
    /// # Errors
    /// [`UsageError`]: not TOML, a key unknown or missing, a number out of its range.
    pub fn parse(text: &str) -> Result<Self, UsageError> {
        let prior: Self = toml::from_str(text).map_err(|error| UsageError::Text {
            line: line_of(text, error.span().map_or(0, |span| span.start)),
            message: error.message().to_owned(),
        })?;
        prior.check()?;
        Ok(prior)
    }

    /// Checks every range; a calibration does so before it writes a model.
    ///
    /// # Errors
    /// [`UsageError`] for the first number out of its range.
    pub fn check(&self) -> Result<(), UsageError> {
        if self.schema != SCHEMA {
            return Err(UsageError::Schema { found: self.schema, expected: SCHEMA });
        }
        self.check_generations()?;
        self.check_sizes()?;
        self.check_levels()?;
        self.check_shares()?;
        self.check_counts()
    }

    fn check_generations(&self) -> Result<(), UsageError> {
        let named = [
            ("claude-old", &self.tokenizers.claude_old),
            ("claude-4.7", &self.tokenizers.claude_47),
            ("o200k", &self.tokenizers.o200k),
            ("other", &self.tokenizers.other),
        ];
        for (name, prior) in named {
            let key = |field: &str| format!("tokenizers.{name}.{field}");
            positive(key("o200k_factor"), prior.o200k_factor)?;
            positive(key("first_context_tokens"), prior.first_context_tokens)?;
            spread(key("first_context_log_sd"), prior.first_context_log_sd)?;
            positive(key("growth_factor"), prior.growth_factor)?;
        }
        Ok(())
    }

    fn check_sizes(&self) -> Result<(), UsageError> {
        positive("requests.median", self.requests.median)?;
        positive("growth.tokens", self.growth.tokens)?;
        positive("growth.reference_requests", self.growth.reference_requests)?;
        positive("duration.milliseconds_per_request", self.duration.milliseconds_per_request)?;
        positive(
            "duration.milliseconds_per_output_token",
            self.duration.milliseconds_per_output_token,
        )?;
        for kind in StageKind::ALL {
            let prior = self.kinds.of(kind);
            let key = |field: &str| format!("kinds.{}.{field}", kind.name());
            positive(key("requests_factor"), prior.requests_factor)?;
            positive(key("growth_factor"), prior.growth_factor)?;
            positive(key("final_text_tokens"), prior.final_text_tokens)?;
            positive(key("reference_agents"), f64::from(prior.reference_agents))?;
        }
        for effort in std::iter::once(None).chain(Effort::ALL.map(Some)) {
            let prior = self.effort.of(effort);
            let name = effort.map_or("none", Effort::name);
            positive(format!("effort.{name}.requests_factor"), prior.requests_factor)?;
            positive(
                format!("effort.{name}.output_tokens_per_request"),
                prior.output_tokens_per_request,
            )?;
        }
        Ok(())
    }

    fn check_levels(&self) -> Result<(), UsageError> {
        spread("requests.log_sd", self.requests.log_sd)?;
        spread("growth.log_sd", self.growth.log_sd)?;
        spread("output.log_sd", self.output.log_sd)?;
        spread("output.final_text_log_sd", self.output.final_text_log_sd)?;
        spread("duration.log_sd", self.duration.log_sd)?;
        weights("first_context.weights", self.first_context.weights)?;
        weights("requests.weights", self.requests.weights)?;
        weights("growth.weights", self.growth.weights)?;
        weights("output.weights", self.output.weights)?;
        weights("output.final_text_weights", self.output.final_text_weights)?;
        weights("duration.weights", self.duration.weights)
    }

    fn check_shares(&self) -> Result<(), UsageError> {
        between("prefix.shareable_share", self.prefix.shareable_share, 0.0, 1.0, "0 to 1")?;
        between("prefix.sibling_hit_share", self.prefix.sibling_hit_share, 0.0, 1.0, "0 to 1")?;
        between("cache.rewrite_share", self.cache.rewrite_share, 0.0, 1.0, "0 to 1")?;
        between("requests.fan_out_slope", self.requests.fan_out_slope, -1.0, 0.0, "-1 to 0")?;
        between("requests.max", f64::from(self.requests.max), 1.0, 10_000.0, "1 to 10000")?;
        between("growth.requests_exponent", self.growth.requests_exponent, 0.0, 2.0, "0 to 2")?;
        between("context_curve.share_at_two", self.context_curve.share_at_two, 0.5, 0.5, "0.5")?;
        between("context_curve.slope", self.context_curve.slope, 0.0, 0.2, "0 to 0.2")?;
        let share_max = self.context_curve.share_max;
        between("context_curve.share_max", share_max, 0.5, 0.95, "0.5 to 0.95")
    }

    fn check_counts(&self) -> Result<(), UsageError> {
        let included = self.first_context.prompt_tokens_included_o200k;
        count("first_context.prompt_tokens_included_o200k", included)?;
        count("output.step_tokens_min", self.output.step_tokens_min)?;
        count("cache.fresh_tokens_per_request", self.cache.fresh_tokens_per_request)?;
        count("words.prompt_characters", self.words.prompt_characters as u64)
    }
}

/// The line, from 1, that holds the byte at `offset`.
fn line_of(text: &str, offset: usize) -> usize {
    text.bytes().take(offset).filter(|byte| *byte == b'\n').count() + 1
}

fn positive(key: impl Into<String>, value: f64) -> Result<(), UsageError> {
    between(key, value, 1e-6, 1e9, "above 0 and at most 1e9")
}

fn count(key: &str, value: u64) -> Result<(), UsageError> {
    if value <= 1_000_000 {
        return Ok(());
    }
    let range = "at most 1000000";
    Err(UsageError::Range { key: key.to_owned(), value: value.to_string(), range })
}

fn spread(key: impl Into<String>, value: f64) -> Result<(), UsageError> {
    between(key, value, 0.0, 5.0, "0 to 5 (a log-sd)")
}

fn weights(key: &str, weights: Weights) -> Result<(), UsageError> {
    for (level, weight) in
        [("run", weights.run), ("stage", weights.stage), ("agent", weights.agent)]
    {
        between(format!("{key}.{level}"), weight, 0.0, 10.0, "0 to 10")?;
    }
    let sum = weights.run + weights.stage + weights.agent;
    between(format!("{key} summed"), sum, 1e-6, 30.0, "above 0: some level must vary")
}

fn between(
    key: impl Into<String>,
    value: f64,
    least: f64,
    most: f64,
    range: &'static str,
) -> Result<(), UsageError> {
    // Written so that not-a-number fails.
    if value >= least && value <= most {
        Ok(())
    } else {
        Err(UsageError::Range { key: key.into(), value: value.to_string(), range })
    }
}
