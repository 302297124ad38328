//! Puts price files together, later ones over earlier ones.

use std::collections::{BTreeMap, BTreeSet};

use crate::pricing::document::{Document, Section};
use crate::pricing::model_section::{MODEL_KEYS, read_model};
use crate::pricing::nearest::nearest;
use crate::pricing::{
    Alias, Fee, Model, NamePrefix, PlanWindows, PriceFile, PriceTable, PricingError, Reserved,
    Source, SubscriptionPlan,
};

const SCHEMA: u64 = 1;
const ROOT_KEYS: &[&str] =
    &["schema", "provider", "source", "model", "fee", "alias", "prefix", "reserved", "plan"];
const SOURCE_KEYS: &[&str] = &["id", "url", "licence", "retrieved"];
const FEE_KEYS: &[&str] = &["id", "unit", "per", "usd", "metered", "note", "sources"];
const ALIAS_KEYS: &[&str] = &["name", "target", "providers", "from", "until", "note"];
const PREFIX_KEYS: &[&str] = &["text", "multiplier"];
const RESERVED_KEYS: &[&str] = &["name", "reason"];
const PLAN_KEYS: &[&str] = &[
    "provider",
    "id",
    "name",
    "formerly",
    "usd_per_month",
    "usd_per_month_annual",
    "session_multiple",
    "weekly_multiple",
    "windows",
    "api_credit_usd",
    "note",
    "sources",
];

/// The table of `files`, without its hash.
pub(super) fn build(files: &[PriceFile]) -> Result<PriceTable, PricingError> {
    let documents: Result<Vec<Document>, PricingError> =
        files.iter().map(Document::parse).collect();
    let documents = documents?;
    let mut builder = Builder::default();
    for document in &documents {
        builder.read(document)?;
    }
    builder.check_alias_targets()?;
    Ok(PriceTable {
        models: builder.models,
        names: builder.names,
        aliases: builder.aliases,
        prefixes: builder.prefixes,
        reserved: builder.reserved,
        fees: builder.fees,
        plans: builder.plans,
        sources: builder.sources,
        hash: String::new(),
    })
}

#[derive(Default)]
struct Builder<'d, 'i> {
    models: Vec<Model>,
    names: BTreeMap<String, usize>,
    aliases: BTreeMap<String, Vec<Alias>>,
    /// Target and place of each alias row, checked when every model is known.
    targets: Vec<(String, Section<'d, 'i>)>,
    prefixes: Vec<NamePrefix>,
    reserved: Vec<Reserved>,
    fees: Vec<Fee>,
    plans: Vec<SubscriptionPlan>,
    sources: Vec<Source>,
}

impl<'d, 'i> Builder<'d, 'i> {
    fn read(&mut self, document: &'d Document<'i>) -> Result<(), PricingError> {
        let root = document.root(ROOT_KEYS)?;
        match root.count("schema")? {
            Some(SCHEMA) => {}
            Some(other) => {
                let problem = format!("schema {other} is not known");
                let help = format!("this version reads schema = {SCHEMA}");
                return Err(root.fault_at("schema", problem, help));
            }
            None => return Err(root.missing("schema", "1")),
        }
        let sources = self.read_sources(&root)?;
        let models = root.sections("model", "[[model]]", MODEL_KEYS)?;
        let fees = root.sections("fee", "[[fee]]", FEE_KEYS)?;
        if !(models.is_empty() && fees.is_empty()) {
            let provider = root.text_required("provider", "\"anthropic\"")?;
            self.read_models(&models, provider, &sources)?;
            self.read_fees(&fees, provider, &sources)?;
        }
        self.read_aliases(&root)?;
        self.read_plans(&root, &sources)?;
        self.read_names(&root)
    }

    fn read_sources(&mut self, root: &Section) -> Result<BTreeSet<String>, PricingError> {
        let mut ids = BTreeSet::new();
        for section in root.sections("source", "[[source]]", SOURCE_KEYS)? {
            let source = Source {
                id: section.text_required("id", "\"release-notes\"")?.to_owned(),
                url: section.text_required("url", "\"https://…\"")?.to_owned(),
                licence: section.owned("licence")?,
                retrieved: section.date("retrieved")?,
            };
            if !ids.insert(source.id.clone()) {
                let problem = format!("source `{}` is declared twice", source.id);
                return Err(section.fault_at("id", problem, "remove one"));
            }
            self.sources.retain(|other| other.id != source.id);
            self.sources.push(source);
        }
        Ok(ids)
    }

    fn read_models(
        &mut self,
        sections: &[Section],
        provider: &str,
        sources: &BTreeSet<String>,
    ) -> Result<(), PricingError> {
        let mut seen = BTreeSet::new();
        for section in sections {
            let model = read_model(section, provider)?;
            if !seen.insert(model.id.clone()) {
                let problem = format!("model `{}` is listed twice in this file", model.id);
                return Err(section.fault_at("id", problem, "merge its [[model.price]] tables"));
            }
            for period in &model.periods {
                known_sources(section, &period.sources, sources)?;
            }
            self.insert_model(model, section)?;
        }
        Ok(())
    }

    fn insert_model(&mut self, model: Model, section: &Section) -> Result<(), PricingError> {
        let earlier = self.models.iter().position(|other| other.id == model.id);
        let index = earlier.unwrap_or(self.models.len());
        self.names.retain(|_, owner| *owner != index);
        let mut names: BTreeSet<&str> = model.ids.values().flatten().map(String::as_str).collect();
        names.insert(&model.id.0);
        for name in names {
            if let Some(owner) = self.names.insert(name.to_owned(), index) {
                let owner = self.models.get(owner).map_or("", |other| &*other.id.0);
                let problem = format!("`{name}` already names the model {owner}");
                return Err(section.fault_at("id", problem, "an identifier names one model"));
            }
        }
        match self.models.get_mut(index) {
            Some(slot) => *slot = model,
            None => self.models.push(model),
        }
        Ok(())
    }

    fn read_fees(
        &mut self,
        sections: &[Section],
        provider: &str,
        sources: &BTreeSet<String>,
    ) -> Result<(), PricingError> {
        for section in sections {
            let fee = Fee {
                provider: provider.to_owned(),
                id: section.text_required("id", "\"web_search\"")?.to_owned(),
                unit: section.text_required("unit", "\"search\"")?.to_owned(),
                per: section.count("per")?.unwrap_or(1),
                usd: section.dollars("usd")?.ok_or_else(|| section.missing("usd", "\"10\""))?,
                metered: section.flag("metered")?.unwrap_or(true),
                note: section.owned("note")?,
                sources: section.texts("sources")?,
            };
            known_sources(section, &fee.sources, sources)?;
            self.fees.retain(|other| (&other.provider, &other.id) != (&fee.provider, &fee.id));
            self.fees.push(fee);
        }
        Ok(())
    }

    fn read_aliases(&mut self, root: &Section<'d, 'i>) -> Result<(), PricingError> {
        let mut own = BTreeSet::new();
        for section in root.sections("alias", "[[alias]]", ALIAS_KEYS)? {
            let alias = Alias {
                name: section.text_required("name", "\"haiku\"")?.to_ascii_lowercase(),
                target: section.text_required("target", "\"claude-haiku-5-5\"")?.to_owned(),
                providers: section.texts("providers")?,
                from: section.date("from")?,
                until: section.date("until")?,
                note: section.owned("note")?,
            };
            let rows = self.aliases.entry(alias.name.clone()).or_default();
            if own.insert(alias.name.clone()) {
                rows.clear();
            }
            let shared = |row: &&Alias| {
                let both_open = row.providers.is_empty() && alias.providers.is_empty();
                both_open || row.providers.iter().any(|name| alias.providers.contains(name))
            };
            if rows.iter().filter(shared).any(|row| row.overlaps(&alias)) {
                let problem = format!("two rows of alias `{}` hold on the same day", alias.name);
                let help = "end one with `until` on the day the next begins, or name its providers";
                return Err(section.fault_at("name", problem, help));
            }
            self.targets.push((alias.target.clone(), section));
            rows.push(alias);
        }
        Ok(())
    }

    fn check_alias_targets(&self) -> Result<(), PricingError> {
        for (target, section) in &self.targets {
            if self.names.contains_key(target) || self.aliases.contains_key(target) {
                continue;
            }
            let near = nearest(target, self.names.keys().map(String::as_str), 1);
            let help = near.first().map_or_else(
                || "add a [[model]] with that id".to_owned(),
                |near| format!("did you mean `{near}`?"),
            );
            let problem = format!("an alias stands for `{target}`, which is no model");
            return Err(section.fault_at("target", problem, help));
        }
        Ok(())
    }

    fn read_names(&mut self, root: &Section) -> Result<(), PricingError> {
        for section in root.sections("prefix", "[[prefix]]", PREFIX_KEYS)? {
            let prefix = NamePrefix {
                text: section.text_required("text", "\"us.\"")?.to_owned(),
                multiplier: section
                    .multiplier("multiplier")?
                    .ok_or_else(|| section.missing("multiplier", "\"1\""))?,
            };
            self.prefixes.retain(|other| other.text != prefix.text);
            self.prefixes.push(prefix);
        }
        for section in root.sections("reserved", "[[reserved]]", RESERVED_KEYS)? {
            let reserved = Reserved {
                name: section.text_required("name", "\"inherit\"")?.to_ascii_lowercase(),
                reason: section.text_required("reason", "\"…\"")?.to_owned(),
            };
            self.reserved.retain(|other| other.name != reserved.name);
            self.reserved.push(reserved);
        }
        Ok(())
    }

    fn read_plans(
        &mut self,
        root: &Section,
        sources: &BTreeSet<String>,
    ) -> Result<(), PricingError> {
        for section in root.sections("plan", "[[plan]]", PLAN_KEYS)? {
            let plan = read_plan(&section)?;
            known_sources(&section, &plan.sources, sources)?;
            self.plans.retain(|other| (&other.provider, &other.id) != (&plan.provider, &plan.id));
            self.plans.push(plan);
        }
        Ok(())
    }
}

fn read_plan(section: &Section) -> Result<SubscriptionPlan, PricingError> {
    let mut windows = PlanWindows::default();
    for window in section.texts("windows")? {
        match window.as_str() {
            "5h" => windows.five_hours = true,
            "week" => windows.week = true,
            _ => {
                let problem = format!("no plan window `{window}`");
                return Err(section.fault_at("windows", problem, "one of 5h, week"));
            }
        }
    }
    let monthly = section.dollars("usd_per_month")?;
    Ok(SubscriptionPlan {
        provider: section.text_required("provider", "\"anthropic\"")?.to_owned(),
        id: section.text_required("id", "\"pro\"")?.to_owned(),
        name: section.text_required("name", "\"Claude Pro\"")?.to_owned(),
        formerly: section.texts("formerly")?,
        usd_per_month: monthly.ok_or_else(|| section.missing("usd_per_month", "\"20\""))?,
        usd_per_month_annual: section.dollars("usd_per_month_annual")?,
        session_multiple: section.multiplier("session_multiple")?,
        weekly_multiple: section.multiplier("weekly_multiple")?,
        windows,
        api_credit_usd: section.dollars("api_credit_usd")?,
        note: section.owned("note")?,
        sources: section.texts("sources")?,
    })
}

fn known_sources(
    section: &Section,
    named: &[String],
    declared: &BTreeSet<String>,
) -> Result<(), PricingError> {
    match named.iter().find(|id| !declared.contains(*id)) {
        None => Ok(()),
        Some(id) => {
            let help = match nearest(id, declared.iter().map(String::as_str), 1).first() {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("declare it: [[source]] with id = \"{id}\" and url"),
            };
            let problem = format!("source `{id}` is not declared in this file");
            Err(section.fault_at("sources", problem, help))
        }
    }
}
