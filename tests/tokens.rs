//! Token counts: equal to the reference on all text that occurs, bounded on all that can.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::float_cmp,
    reason = "a test may panic, and compares small whole numbers"
)]

use flyball::seed::{Seed, Stream};
use flyball::usage::TokenCounter;
use proptest::prelude::*;
use tiktoken_rs::o200k_base_singleton;

fn reference(text: &str) -> u64 {
    o200k_base_singleton().encode_ordinary(text).len() as u64
}

/// Text with the shapes of code, prose, JSON and logs, from a seed.
fn realistic(seed: u64, bytes: usize) -> String {
    const WORDS: [&str; 24] = [
        "the",
        "request",
        "fn",
        "let",
        "mut",
        "return",
        "budget",
        "Verify",
        "findings",
        "const",
        "agentType",
        "snake_case_name",
        "HTTPServer",
        "don't",
        "naïve",
        "größer",
        "данные",
        "模型的输出",
        "0x7fff",
        "2026-11-22",
        "://",
        "error[E0308]:",
        "impl<'a>",
        "…",
    ];
    const JOINS: [&str; 12] =
        [" ", " ", " ", " ", ", ", ".\n", "\n    ", "();\n", "\": \"", " = ", "\t", "\r\n"];
    let mut stream = Seed::new(seed).stream(0);
    let mut text = String::with_capacity(bytes + 64);
    while text.len() < bytes {
        text.push_str(stream.pick(&WORDS).unwrap());
        text.push_str(stream.pick(&JOINS).unwrap());
        if stream.chance(0.05) {
            text.push_str(&stream.below(1_000_000).to_string());
        }
        if stream.chance(0.01) {
            text.push_str(&"-".repeat(stream.below(300) as usize));
        }
    }
    text
}

fn of_alphabet(stream: &mut Stream, alphabet: &[char], bytes: usize) -> String {
    let mut text = String::with_capacity(bytes + 4);
    while text.len() < bytes {
        text.push(*stream.pick(alphabet).unwrap());
    }
    text
}

#[test]
fn known_texts_have_known_counts() {
    let counter = TokenCounter::load();
    assert_eq!(counter.count(""), 0);
    assert_eq!(counter.count("hello world"), 2);
    assert_eq!(counter.count("<|endoftext|>"), reference("<|endoftext|>"));
    assert!(counter.count("<|endoftext|>") > 1, "special tokens are plain text");
}

#[test]
fn a_megabyte_of_realistic_text_counts_as_the_reference() {
    let text = realistic(7, 1 << 20);
    assert_eq!(TokenCounter::load().count(&text), reference(&text));
}

#[test]
fn long_runs_count_as_the_reference() {
    let counter = TokenCounter::load();
    for unit in ["-", "=", "*", "#", "/", "a", "A", "é", "中", "\t", "_-", "ab"] {
        for bytes in [127, 128, 129, 130, 1_000, 4_095, 20_000] {
            let text = unit.repeat(bytes / unit.len() + 1);
            assert_eq!(counter.count(&text), reference(&text), "{bytes} bytes of {unit:?}");
        }
    }
}

#[test]
fn runs_lose_nothing_where_they_are_cut() {
    let counter = TokenCounter::load();
    for unit in ["-", "=", " ", "a"] {
        let whole = unit.repeat(200_000);
        let expected = o200k_reference_by_merging(&whole);
        assert_eq!(counter.count(&whole), expected, "{unit:?}");
    }
}

/// The same vocabulary without any cut.
fn o200k_reference_by_merging(text: &str) -> u64 {
    bpe_openai::o200k_base().bpe.encode_via_bitfield(text.as_bytes()).len() as u64
}

#[test]
fn a_cut_moves_the_count_by_a_few_tokens_at_most() {
    let letters: Vec<char> = ('a'..='z').collect();
    let text = of_alphabet(&mut Seed::new(3).stream(0), &letters, 200_000);
    let (count, exact) = (TokenCounter::load().count(&text), o200k_reference_by_merging(&text));
    assert!(count.abs_diff(exact) <= 8, "{count} against {exact}");
}

#[test]
fn megabytes_of_any_one_character_are_counted() {
    let counter = TokenCounter::load();
    let odd = [
        '\u{301}',
        '\u{200d}',
        '\u{2028}',
        '\u{3000}',
        'İ',
        'ǅ',
        'ʰ',
        '中',
        'ا',
        '😀',
        '\u{10ffff}',
    ];
    let trouble = "-=*#/ \t\n\ra0'".chars().chain(odd);
    let any = ('\0'..='\u{ff}').step_by(3);
    let cases = trouble.map(|it| (it, 4 << 20)).chain(any.map(|it| (it, 1 << 20)));
    for (character, length) in cases {
        let text = character.to_string().repeat(length / character.len_utf8());
        let count = counter.count(&text);
        assert!(count > 0 && count <= text.len() as u64, "{character:?}: {count}");
    }
}

#[test]
fn megabytes_of_mixed_trouble_are_counted() {
    let counter = TokenCounter::load();
    let mut stream = Seed::new(5).stream(0);
    let alphabets =
        [" \t\u{a0}\u{2003}", " \n\r", "-=*/#", "Aa\u{301}", "'sS ", "a1", "A\u{301}\u{200d}👩"];
    for alphabet in alphabets {
        let characters: Vec<char> = alphabet.chars().collect();
        let text = of_alphabet(&mut stream, &characters, 1 << 20);
        let count = counter.count(&text);
        assert!(count > 0 && count <= text.len() as u64, "{alphabet:?}: {count}");
    }
    let any: String = std::iter::repeat_with(|| stream.below(0x11_0000))
        .filter_map(|code| char::from_u32(code as u32))
        .take(1 << 18)
        .collect();
    assert!(counter.count(&any) >= 1 << 18);
}

#[test]
fn openai_models_have_their_own_vocabulary_or_none() {
    let text = "naïve größer données 2026";
    let cl100k = tiktoken_rs::cl100k_base_singleton().encode_ordinary(text).len() as u64;
    assert_eq!(TokenCounter::for_openai_model("gpt-4").unwrap().count(text), cl100k);
    assert_eq!(TokenCounter::for_openai_model("gpt-5").unwrap().count(text), reference(text));
    assert!(TokenCounter::for_openai_model("text-davinci-003").is_none());
    assert!(TokenCounter::for_openai_model("claude-opus-5-5").is_none());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn counts_equal_the_reference(text in "\\PC{0,400}") {
        prop_assert_eq!(TokenCounter::load().count(&text), reference(&text));
    }

    #[test]
    fn counts_equal_the_reference_with_whitespace(text in "[ \\t\\r\\n\u{a0}a-cA-C0-2'/.!=-]{0,400}") {
        prop_assert_eq!(TokenCounter::load().count(&text), reference(&text));
    }

    #[test]
    fn counts_equal_the_reference_on_realistic_text(seed: u64, bytes in 1usize..4_000) {
        let text = realistic(seed, bytes);
        prop_assert_eq!(TokenCounter::load().count(&text), reference(&text));
    }

    #[test]
    fn any_characters_are_counted(text in proptest::collection::vec(any::<char>(), 0..400)) {
        let text: String = text.into_iter().collect();
        prop_assert_eq!(TokenCounter::load().count(&text), reference(&text));
    }
}
