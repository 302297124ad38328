//! Amounts of one flag together: each unit once, since nobody can mean two limits of the same.

use super::error::AppError;
use crate::amount::Amount;

/// Refuses two amounts of one unit in `amounts`, which `what` was given.
pub(super) fn once_per_unit(what: &str, amounts: &[Amount]) -> Result<(), AppError> {
    for (position, amount) in amounts.iter().enumerate() {
        let others = amounts.iter().take(position);
        if let Some(first) = others.into_iter().find(|other| is_same_unit(other, amount)) {
            return Err(AppError::usage(format!("{what} has {first} and {amount}"))
                .with_hint("give each unit once: dollars, tokens, output tokens, agents"));
        }
    }
    Ok(())
}

fn is_same_unit(one: &Amount, other: &Amount) -> bool {
    match (one, other) {
        (Amount::PlanWindow { window: one, .. }, Amount::PlanWindow { window: other, .. }) => {
            one == other
        }
        _ => std::mem::discriminant(one) == std::mem::discriminant(other),
    }
}
