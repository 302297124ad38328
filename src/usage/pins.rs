//! Quantities that someone fixed for every agent of a stage.

/// Exact values that replace draws: from a user's assumption, or from an intervention that measures
/// what a quantity does to the cost. Everything else is drawn as before.
///
/// A pin is exact up to what the model can do: contexts end at its window, output of one request at
/// its cap, requests at [`REQUESTS_LIMIT`](crate::usage::REQUESTS_LIMIT). Requests are whole and at
/// least one. A negative or not-a-number value counts as 0.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Pins {
    /// Requests of the agent, rounded to a whole number.
    pub requests: Option<f64>,
    /// Mean output per request in tokens, thinking included.
    pub output_per_request: Option<f64>,
    /// Context of the first request in tokens, the agent's own prompt included.
    pub first_context: Option<f64>,
    /// Tokens of context added between the first and the last request. An agent of one request has
    /// no growth, pinned or not.
    pub growth: Option<f64>,
}
