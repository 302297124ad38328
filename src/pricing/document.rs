//! Reading TOML tables with places: every key is known or refused, every value keeps its span.

use std::ops::Range;

use jiff::civil::Date;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::money::{Picodollars, Rate};
use crate::pricing::nearest::nearest;
use crate::pricing::{Multiplier, PriceFile, PricingError, TokenClass};

/// The largest price file that is read, in bytes.
const TEXT_BYTES_MAX: usize = 8 << 20;

pub(super) type Value<'d, 'i> = &'d Spanned<DeValue<'i>>;

/// One price file, parsed.
pub(super) struct Document<'i> {
    pub(super) file: &'i PriceFile,
    root: Spanned<DeTable<'i>>,
}

impl<'i> Document<'i> {
    pub(super) fn parse(file: &'i PriceFile) -> Result<Self, PricingError> {
        if file.text.len() > TEXT_BYTES_MAX {
            let problem = format!("larger than {TEXT_BYTES_MAX} bytes");
            return Err(PricingError::new(&file.name, "", 0..0, problem, "split the file"));
        }
        match DeTable::parse(&file.text) {
            Ok(root) => Ok(Self { file, root }),
            Err(error) => Err(PricingError::new(
                &file.name,
                &file.text,
                error.span().unwrap_or(0..0),
                format!("not TOML: {}", error.message()),
                "write prices as quoted text, dates bare: input = \"0.10\", from = 2026-10-07",
            )),
        }
    }

    pub(super) fn root(&self, known: &[&'static str]) -> Result<Section<'_, 'i>, PricingError> {
        Section::open(self.file, self.root.get_ref(), 0..0, "the file", known)
    }
}

/// One table of a document.
#[derive(Clone)]
pub(super) struct Section<'d, 'i> {
    file: &'d PriceFile,
    table: &'d DeTable<'i>,
    span: Range<usize>,
    title: &'static str,
}

impl<'d, 'i> Section<'d, 'i> {
    fn open(
        file: &'d PriceFile,
        table: &'d DeTable<'i>,
        span: Range<usize>,
        title: &'static str,
        known: &[&'static str],
    ) -> Result<Self, PricingError> {
        let section = Self { file, table, span, title };
        for (key, _) in table {
            let name: &str = key.get_ref();
            if !known.contains(&name) {
                let help = match nearest(name, known.iter().copied(), 1).first() {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => format!("known here: {}", known.join(", ")),
                };
                return Err(section.error(
                    key.span(),
                    format!("unknown key `{name}` in {title}"),
                    help,
                ));
            }
        }
        Ok(section)
    }

    pub(super) fn error(
        &self,
        span: Range<usize>,
        problem: impl Into<String>,
        help: impl Into<String>,
    ) -> PricingError {
        PricingError::new(&self.file.name, &self.file.text, span, problem, help)
    }

    /// An error about the section as a whole.
    pub(super) fn fault(
        &self,
        problem: impl Into<String>,
        help: impl Into<String>,
    ) -> PricingError {
        self.error(self.span.clone(), problem, help)
    }

    /// An error about the value of `key`, or the section if it has none.
    pub(super) fn fault_at(
        &self,
        key: &str,
        problem: impl Into<String>,
        help: impl Into<String>,
    ) -> PricingError {
        let span = self.get(key).map_or_else(|| self.span.clone(), Spanned::span);
        self.error(span, problem, help)
    }

    pub(super) fn get(&self, key: &str) -> Option<Value<'d, 'i>> {
        self.table.iter().find(|(name, _)| name.get_ref() == key).map(|(_, value)| value)
    }

    pub(super) fn entries(&self) -> impl Iterator<Item = (&'d str, Value<'d, 'i>)> {
        self.table.iter().map(|(key, value)| (key.get_ref().as_ref(), value))
    }

    pub(super) fn missing(&self, key: &str, example: &str) -> PricingError {
        self.fault(format!("{} has no `{key}`", self.title), format!("add {key} = {example}"))
    }

    fn wrong_kind(
        &self,
        key: &str,
        value: Value<'_, '_>,
        wanted: &str,
        example: &str,
    ) -> PricingError {
        let found = value.get_ref().type_str();
        let problem = format!("`{key}` must be {wanted}, found {found}");
        self.error(value.span(), problem, format!("write {key} = {example}"))
    }

    /// Every table of the array of tables `key`.
    pub(super) fn sections(
        &self,
        key: &str,
        title: &'static str,
        known: &[&'static str],
    ) -> Result<Vec<Section<'d, 'i>>, PricingError> {
        let Some(value) = self.get(key) else { return Ok(Vec::new()) };
        let wrong = |value| self.wrong_kind(key, value, "an array of tables", title);
        let rows = value.get_ref().as_array().ok_or_else(|| wrong(value))?;
        let open = |row: Value<'d, 'i>| {
            let table = row.get_ref().as_table().ok_or_else(|| wrong(row))?;
            Self::open(self.file, table, row.span(), title, known)
        };
        rows.iter().map(open).collect()
    }

    /// The table `key`, with any keys if `known` is `None`.
    pub(super) fn section(
        &self,
        key: &str,
        title: &'static str,
        known: Option<&[&'static str]>,
    ) -> Result<Option<Section<'d, 'i>>, PricingError> {
        let Some(value) = self.get(key) else { return Ok(None) };
        let table = value.get_ref().as_table();
        let table = table.ok_or_else(|| self.wrong_kind(key, value, "a table", "{ … }"))?;
        let span = value.span();
        match known {
            Some(known) => Self::open(self.file, table, span, title, known).map(Some),
            None => Ok(Some(Self { file: self.file, table, span, title })),
        }
    }

    pub(super) fn text(&self, key: &str) -> Result<Option<&'d str>, PricingError> {
        let Some(value) = self.get(key) else { return Ok(None) };
        let text = value.get_ref().as_str().filter(|text| !text.is_empty());
        text.map(Some).ok_or_else(|| self.wrong_kind(key, value, "text", "\"…\""))
    }

    pub(super) fn text_required(&self, key: &str, example: &str) -> Result<&'d str, PricingError> {
        self.text(key)?.ok_or_else(|| self.missing(key, example))
    }

    pub(super) fn owned(&self, key: &str) -> Result<Option<String>, PricingError> {
        Ok(self.text(key)?.map(str::to_owned))
    }

    pub(super) fn texts(&self, key: &str) -> Result<Vec<String>, PricingError> {
        let Some(value) = self.get(key) else { return Ok(Vec::new()) };
        let wrong = |value| self.wrong_kind(key, value, "a list of texts", "[\"…\"]");
        let list = value.get_ref().as_array().ok_or_else(|| wrong(value))?;
        let text = |item: Value<'d, 'i>| {
            item.get_ref().as_str().map(str::to_owned).ok_or_else(|| wrong(item))
        };
        list.iter().map(text).collect()
    }

    pub(super) fn flag(&self, key: &str) -> Result<Option<bool>, PricingError> {
        let Some(value) = self.get(key) else { return Ok(None) };
        let flag = value.get_ref().as_bool();
        flag.map(Some).ok_or_else(|| self.wrong_kind(key, value, "true or false", "true"))
    }

    pub(super) fn count(&self, key: &str) -> Result<Option<u64>, PricingError> {
        let Some(value) = self.get(key) else { return Ok(None) };
        let wrong = || self.wrong_kind(key, value, "a whole number above zero", "100_000");
        let integer = value.get_ref().as_integer().ok_or_else(wrong)?;
        let number = u64::from_str_radix(&integer.as_str().replace('_', ""), integer.radix());
        number.ok().filter(|number| *number > 0).map(Some).ok_or_else(wrong)
    }

    pub(super) fn date(&self, key: &str) -> Result<Option<Date>, PricingError> {
        let Some(value) = self.get(key) else { return Ok(None) };
        let wrong = || self.wrong_kind(key, value, "a day without a time", "2026-10-07");
        let moment = value.get_ref().as_datetime().ok_or_else(wrong)?;
        let (Some(day), None, None) = (moment.date, moment.time, moment.offset) else {
            return Err(wrong());
        };
        let narrow = |part: u8| i8::try_from(part).unwrap_or(i8::MAX);
        let year = i16::try_from(day.year).unwrap_or(i16::MAX);
        Date::new(year, narrow(day.month), narrow(day.day)).map(Some).map_err(|_| wrong())
    }

    /// Dollars, as quoted text: TOML's numbers are binary floats, which cannot hold a price.
    pub(super) fn dollars(&self, key: &str) -> Result<Option<Picodollars>, PricingError> {
        let Some(value) = self.get(key) else { return Ok(None) };
        let text = value.get_ref().as_str();
        let text =
            text.ok_or_else(|| self.wrong_kind(key, value, "dollars as quoted text", "\"0.10\""))?;
        let amount: Result<Picodollars, _> = text.parse();
        match amount {
            Ok(amount) if amount >= Picodollars::ZERO => Ok(Some(amount)),
            Ok(_) => {
                let help = "a price is zero or more; leave the key out if there is none";
                Err(self.error(value.span(), format!("`{key}` is negative"), help))
            }
            Err(error) => {
                let help = "write dollars per million tokens in quotes, like \"0.10\"";
                Err(self.error(value.span(), error.to_string(), help))
            }
        }
    }

    pub(super) fn rate(&self, class: TokenClass) -> Result<Option<Rate>, PricingError> {
        let Some(dollars) = self.dollars(class.key())? else { return Ok(None) };
        Rate::from_usd_per_million(dollars).map(Some).ok_or_else(|| {
            let problem = format!("`{class}` is not a whole number of picodollars per token");
            self.fault_at(class.key(), problem, "at most 6 digits after the point")
        })
    }

    pub(super) fn multiplier(&self, key: &str) -> Result<Option<Multiplier>, PricingError> {
        let Some(value) = self.get(key) else { return Ok(None) };
        let text = value.get_ref().as_str();
        let text =
            text.ok_or_else(|| self.wrong_kind(key, value, "a factor as quoted text", "\"1.1\""))?;
        Multiplier::from_decimal(text).map(Some).ok_or_else(|| {
            let problem = format!("`{text}` is not a factor above 0 and up to 1000");
            self.error(value.span(), problem, "write a decimal in quotes, like \"0.5\" or \"1.1\"")
        })
    }

    /// The member of `all` that `key` names.
    pub(super) fn one_of<T: Copy>(
        &self,
        key: &str,
        all: &[T],
        name: impl Fn(T) -> &'static str,
    ) -> Result<Option<T>, PricingError> {
        let Some(text) = self.text(key)? else { return Ok(None) };
        all.iter().copied().find(|member| name(*member) == text).map(Some).ok_or_else(|| {
            let names: Vec<&str> = all.iter().map(|member| name(*member)).collect();
            let problem = format!("`{text}` is not a value of `{key}`");
            self.fault_at(key, problem, format!("one of {}", names.join(", ")))
        })
    }
}
