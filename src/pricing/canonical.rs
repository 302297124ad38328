//! One text for equal price tables, and its hash.

use std::fmt::{self, Write};

use sha2::{Digest, Sha256};

use crate::pricing::{DatedMultiplier, Model, PriceTable, Rates, TokenClass};

struct Hasher(Sha256);

impl Write for Hasher {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.update(text.as_bytes());
        Ok(())
    }
}

/// SHA-256 in hex of everything in `table` that decides a price.
pub(super) fn hash(table: &PriceTable) -> String {
    let mut hasher = Hasher(Sha256::new());
    // Writing into a hash cannot fail; a `fmt::Error` could only come from a Display of ours.
    let _ = write_table(&mut hasher, table);
    hasher.0.finalize().iter().fold(String::with_capacity(64), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

fn write_table(out: &mut Hasher, table: &PriceTable) -> fmt::Result {
    writeln!(out, "flyball prices 1")?;
    let mut models: Vec<&Model> = table.models().collect();
    models.sort_by(|a, b| a.id.cmp(&b.id));
    for model in models {
        write_model(out, model)?;
    }
    for alias in table.aliases() {
        let (name, target, providers) = (&alias.name, &alias.target, &alias.providers);
        writeln!(
            out,
            "alias {name:?} {target:?} {providers:?} {:?} {:?}",
            alias.from, alias.until
        )?;
    }
    let mut lines: Vec<String> = Vec::new();
    for prefix in table.prefixes() {
        lines.push(format!("prefix {:?} {}", prefix.text, prefix.multiplier));
    }
    for reserved in table.reserved() {
        lines.push(format!("reserved {:?}", reserved.name));
    }
    for fee in table.fees() {
        let usd = fee.usd.to_decimal();
        lines
            .push(format!("fee {:?} {:?} {} {usd} {}", fee.provider, fee.id, fee.per, fee.metered));
    }
    lines.sort_unstable();
    lines.iter().try_for_each(|line| writeln!(out, "{line}"))
}

fn write_model(out: &mut Hasher, model: &Model) -> fmt::Result {
    write!(out, "model {:?} {:?} {:?} ", model.id.0, model.provider, model.line)?;
    write!(out, "{} {:?} {:?} ", model.rank, model.status, model.tokenizer)?;
    write!(out, "{} {} ", model.context_tokens, model.max_output_tokens)?;
    write!(out, "{:?} {:?} ", model.min_cache_tokens, model.efforts)?;
    write!(out, "{:?} {:?} ", model.default_effort, model.us_multiplier)?;
    writeln!(out, "{:?} {:?} {:?}", model.released, model.retires, model.ids)?;
    for period in &model.periods {
        write!(out, "period {} {:?} {}", period.from, period.until, period.status.name())?;
        write_rates(out, &period.rates)?;
        for tier in &period.tiers {
            write!(out, " tier {}", tier.prompt_tokens_gt)?;
            write_rates(out, &tier.rates)?;
        }
        write_factor(out, "batch", period.batch)?;
        write_factor(out, "fast", period.fast)?;
        writeln!(out)?;
    }
    Ok(())
}

fn write_rates(out: &mut Hasher, rates: &Rates) -> fmt::Result {
    for class in TokenClass::ALL {
        if let Some(rate) = rates.get(class) {
            write!(out, " {class} {}", rate.pico_per_token())?;
        }
    }
    Ok(())
}

fn write_factor(out: &mut Hasher, name: &str, factor: Option<DatedMultiplier>) -> fmt::Result {
    let Some(DatedMultiplier { multiplier, from, until }) = factor else { return Ok(()) };
    write!(out, " {name} {multiplier} {from:?} {until:?}")
}
