//! Counting tokens of text. Owns the vocabularies and their guard; knows no usage model.

use std::panic::catch_unwind;

use bpe_openai::Tokenizer as Vocabulary;
use tiktoken_rs::tokenizer::{Tokenizer as Encoding, get_tokenizer};

/// Pieces up to this length are counted by backtracking, the fastest way on words. Above it, on
/// rulers and the like, backtracking costs up to 1 µs per byte; merging costs at most a quarter.
const SHORT_PIECE_BYTES_MAX: usize = 128;

/// Longer pieces are cut here, at a character, so that memory and time per byte stay bounded. This
/// is the only place where a count can differ from the vocabulary's own: by about a token per cut,
/// in text that has no space or change of script for 64 KiB. A power of two, because tokens of
/// repeated characters are: such runs lose nothing.
const CHUNK_BYTES: usize = 64 * 1024;

/// Counts tokens of a published vocabulary; of o200k as the proxy for those that are not.
#[derive(Clone, Copy)]
pub struct TokenCounter {
    vocabulary: &'static Vocabulary,
}

impl TokenCounter {
    /// The o200k counter. Loads the vocabulary, once per process, in some 70 ms: do it lazily or
    /// beside other work.
    pub fn load() -> Self {
        Self { vocabulary: bpe_openai::o200k_base() }
    }

    /// The counter of an `OpenAI` model by its name, or `None` where the model or its vocabulary is
    /// not known here: then the count would be an estimate, and the caller has to say so.
    pub fn for_openai_model(name: &str) -> Option<Self> {
        let vocabulary = match get_tokenizer(name)? {
            Encoding::O200kBase | Encoding::O200kHarmony => bpe_openai::o200k_base(),
            Encoding::Cl100kBase => bpe_openai::cl100k_base(),
            _ => return None,
        };
        Some(Self { vocabulary })
    }

    /// Tokens of `text`, special tokens read as plain text. Linear in its length, at most about a
    /// quarter of a microsecond per byte, and never a panic: if the vocabulary fails, the answer is
    /// the length in bytes, which no count exceeds.
    pub fn count(&self, text: &str) -> u64 {
        catch_unwind(|| self.count_pieces(text)).unwrap_or(text.len()) as u64
    }

    fn count_pieces(self, text: &str) -> usize {
        let mut tokens = 0;
        let mut bytes = 0;
        for piece in self.vocabulary.split(text) {
            bytes += piece.len();
            tokens += if piece.len() <= SHORT_PIECE_BYTES_MAX {
                self.vocabulary.bpe.count(piece.as_bytes())
            } else {
                self.count_long_piece(piece)
            };
        }
        // The splitter ends early where its pattern does not match: what is left is not free.
        tokens + text.get(bytes..).map_or(0, |rest| self.count_long_piece(rest))
    }

    fn count_long_piece(self, piece: &str) -> usize {
        let mut tokens = 0;
        let mut rest = piece;
        let mut last = ("", 0);
        while !rest.is_empty() {
            let (chunk, after) = rest.split_at(rest.floor_char_boundary(CHUNK_BYTES));
            // Megabytes of one character are equal chunks: count one of them.
            if chunk != last.0 {
                let count = self.vocabulary.bpe.encode_via_bitfield(chunk.as_bytes()).len();
                last = (chunk, count);
            }
            tokens += last.1;
            rest = after;
        }
        tokens
    }
}
