//! Counting tokens of text. Owns the vocabulary and its guard; knows no model.

use bpe_openai::Tokenizer;

/// Counts tokens of OpenAI's o200k vocabulary, the proxy for every tokenizer that is not
/// published.
#[derive(Clone, Copy)]
pub struct TokenCounter {
    tokenizer: &'static Tokenizer,
}

impl TokenCounter {
    /// Loads the vocabulary, once per process; the first call takes some 70 ms.
    pub fn load() -> Self {
        Self { tokenizer: bpe_openai::o200k_base() }
    }

    /// Tokens of `text`, as o200k.
    pub fn count(&self, text: &str) -> u64 {
        self.tokenizer.count(text) as u64
    }
}
