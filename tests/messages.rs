//! The Messages API on the wire: events however they are cut, usage as it is billed.

use flyball::amount::PlanWindow;
use flyball::gateway::StreamMeter;
use flyball::messages::{EventKind, EventReader, Whose, WindowReading, WireUsage, plan_windows};
use flyball::pricing::{CacheTtl, Mode};
use flyball::tokens::TokenUsage;
use proptest::prelude::*;

fn events(chunks: &[&[u8]]) -> Vec<(EventKind, String, usize)> {
    let mut reader = EventReader::default();
    let mut events = Vec::new();
    for chunk in chunks {
        reader
            .read(chunk, |event| {
                let data = String::from_utf8(event.data.to_vec()).unwrap();
                events.push((event.kind, data, event.data_bytes));
            })
            .unwrap();
    }
    events
}

const STREAM: &str = "event: message_start\n\
data: {\"type\":\"message_start\",\"message\":{\"model\":\"claude-haiku-4-5\",\"usage\":{\"input_tokens\":12,\"cache_read_input_tokens\":30,\"output_tokens\":1}}}\n\n\
event: ping\ndata: {\"type\": \"ping\"}\n\n\
: a comment\n\
event: content_block_delta\r\ndata: {\"type\":\"content_block_delta\",\"delta\":{\"text\":\"h\u{e9}\"}}\r\n\r\n\
data: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\"},\"usage\":{\"output_tokens\":77}}\r\r\
event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n";

#[test]
fn events_end_with_an_empty_line_of_any_kind() {
    let kinds: Vec<EventKind> =
        events(&[STREAM.as_bytes()]).into_iter().map(|(kind, _, _)| kind).collect();
    assert_eq!(
        kinds,
        [
            EventKind::MessageStart,
            EventKind::Ping,
            EventKind::ContentBlockDelta,
            EventKind::MessageDelta,
            EventKind::MessageStop,
        ]
    );
}

#[test]
fn only_data_that_counts_is_kept() {
    for (kind, data, bytes) in events(&[STREAM.as_bytes()]) {
        let keeps = matches!(kind, EventKind::MessageStart | EventKind::MessageDelta);
        assert_eq!(data.is_empty(), !keeps, "{kind:?}");
        assert!(bytes > 0, "{kind:?}");
    }
}

#[test]
fn an_event_without_a_name_is_what_its_data_says() {
    let all = events(&[b"data:{\"type\":\"message_stop\"}\n\n"]);
    assert_eq!(all[0].0, EventKind::MessageStop);
    assert_eq!(events(&[b"data: [DONE]\n\n"])[0].0, EventKind::Other);
}

#[test]
fn a_byte_order_mark_at_the_beginning_is_no_part_of_a_field() {
    let all = events(&[b"\xef\xbb\xbfevent: ping\ndata: {}\n\n"]);
    assert_eq!(all[0].0, EventKind::Ping);
}

#[test]
fn what_has_no_data_or_no_end_is_no_event() {
    assert!(events(&[b"event: message_stop\n\n"]).is_empty());
    assert!(events(&[b"event: message_stop\ndata: {}\n"]).is_empty());
    assert!(events(&[b"eventual: x\ndatabase: y\nda\n\n"]).is_empty());
}

#[test]
fn an_event_without_an_end_is_refused_before_it_fills_memory() {
    let mut reader = EventReader::default();
    let chunk = [b'x'; 4096];
    reader.read(b"event: message_delta\ndata: ", |_| {}).unwrap();
    let refused = (0..1_000).find(|_| reader.read(&chunk, |_| {}).is_err());
    assert!(refused.unwrap() < 300);
}

proptest! {
    /// Any way of cutting a stream into chunks meters the same.
    #[test]
    fn chunks_do_not_matter(cuts in proptest::collection::vec(0..STREAM.len(), 0..40)) {
        let mut cuts = cuts;
        cuts.sort_unstable();
        let bytes = STREAM.as_bytes();
        let mut chunks = Vec::new();
        let mut from = 0;
        for cut in cuts {
            chunks.push(&bytes[from..cut]);
            from = cut;
        }
        chunks.push(&bytes[from..]);
        prop_assert_eq!(events(&chunks), events(&[bytes]));
        let mut meter = StreamMeter::default();
        for chunk in &chunks {
            meter.read(chunk);
        }
        let reading = meter.reading();
        prop_assert!(reading.ended && reading.is_final());
        let metered = reading.usage.metered(CacheTtl::FiveMinutes).unwrap();
        let expected = TokenUsage { fresh: 12, cache_read: 30, output: 77, ..TokenUsage::default() };
        prop_assert_eq!(metered.usage, expected);
    }

    /// No bytes make the reader panic or go on about something that it did not see whole.
    #[test]
    fn any_bytes_are_read(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        let mut meter = StreamMeter::default();
        meter.read(&bytes);
        prop_assert!(!meter.reading().is_final());
    }
}

fn usage(json: &str) -> WireUsage {
    serde_json::from_str(json).unwrap()
}

#[test]
fn counts_are_cumulative_and_never_fall() {
    let mut all = usage(r#"{"input_tokens":10,"output_tokens":1,"cache_read_input_tokens":5}"#);
    all.take(usage(r#"{"output_tokens":40}"#));
    all.take(usage(r#"{"input_tokens":11,"output_tokens":90}"#));
    all.take(usage(r#"{"input_tokens":0,"output_tokens":91,"cache_read_input_tokens":0}"#));
    let metered = all.metered(CacheTtl::FiveMinutes).unwrap();
    let expected = TokenUsage { fresh: 11, cache_read: 5, output: 91, ..TokenUsage::default() };
    assert_eq!(metered.usage, expected);
    // What was told as one class at first may turn out to be of several.
    all.take(usage(r#"{"input_tokens":1,"cache_read_input_tokens":15,"output_tokens":91}"#));
    let metered = all.metered(CacheTtl::FiveMinutes).unwrap();
    assert_eq!(metered.usage, TokenUsage { fresh: 1, cache_read: 15, ..expected });
}

#[test]
fn an_answer_without_counts_is_not_free() {
    assert_eq!(usage("{}").metered(CacheTtl::FiveMinutes), None);
    assert_eq!(usage(r#"{"input_tokens":10}"#).metered(CacheTtl::FiveMinutes), None);
    assert_eq!(
        usage(r#"{"input_tokens":null,"output_tokens":3}"#).metered(CacheTtl::FiveMinutes),
        None
    );
}

#[test]
fn cache_writes_that_no_breakdown_explains_are_the_dearest_that_were_asked_for() {
    let flat = r#"{"input_tokens":1,"output_tokens":1,"cache_creation_input_tokens":100}"#;
    let hour = usage(flat).metered(CacheTtl::OneHour).unwrap();
    assert_eq!((hour.usage.cache_write_5m, hour.usage.cache_write_1h), (0, 100));
    assert!(!hour.disagrees, "an older answer has no breakdown");
    let minutes = usage(flat).metered(CacheTtl::FiveMinutes).unwrap();
    assert_eq!((minutes.usage.cache_write_5m, minutes.usage.cache_write_1h), (100, 0));

    let more = r#"{"input_tokens":1,"output_tokens":1,"cache_creation_input_tokens":100,
        "cache_creation":{"ephemeral_5m_input_tokens":60,"ephemeral_1h_input_tokens":10}}"#;
    let more = usage(more).metered(CacheTtl::OneHour).unwrap();
    assert_eq!((more.usage.cache_write_5m, more.usage.cache_write_1h), (60, 40));
    assert!(more.disagrees);

    let less = r#"{"input_tokens":1,"output_tokens":1,"cache_creation_input_tokens":50,
        "cache_creation":{"ephemeral_5m_input_tokens":60,"ephemeral_1h_input_tokens":10}}"#;
    let less = usage(less).metered(CacheTtl::FiveMinutes).unwrap();
    assert_eq!((less.usage.cache_write_5m, less.usage.cache_write_1h), (60, 10));
    assert!(less.disagrees);
}

#[test]
fn what_is_sampled_beside_the_message_is_billed_beside_it() {
    let all = usage(
        r#"{"input_tokens":10,"output_tokens":20,"iterations":[
            {"type":"compaction","input_tokens":1000,"output_tokens":300},
            {"type":"message","input_tokens":10,"output_tokens":20},
            {"type":"advisor_message","model":"claude-opus-5-5","input_tokens":7,"output_tokens":8}]}"#,
    );
    let metered = all.metered(CacheTtl::FiveMinutes).unwrap();
    assert_eq!((metered.usage.fresh, metered.usage.output), (10, 20));
    let compaction = TokenUsage { fresh: 1000, output: 300, ..TokenUsage::default() };
    let advice = TokenUsage { fresh: 7, output: 8, ..TokenUsage::default() };
    let opus = Whose::Named("claude-opus-5-5".to_owned());
    assert_eq!(metered.beside, [(Whose::Answering, compaction), (opus, advice)]);
}

/// The counts at the top repeat the last entry where another model took over.
#[test]
fn each_model_that_answered_in_turn_is_billed_once() {
    let all = usage(
        r#"{"input_tokens":10,"output_tokens":20,"iterations":[
            {"type":"message","input_tokens":9,"output_tokens":5},
            {"type":"message","model":"claude-opus-5-5","input_tokens":7,"output_tokens":8},
            {"type":"fallback_message","model":"claude-haiku-5-5","input_tokens":10,
                "output_tokens":20}]}"#,
    );
    let metered = all.metered(CacheTtl::FiveMinutes).unwrap();
    let named = |model: &str| Whose::Named(model.to_owned());
    let tokens = |fresh, output| TokenUsage { fresh, output, ..TokenUsage::default() };
    assert_eq!((metered.usage, metered.whose), (tokens(10, 20), named("claude-haiku-5-5")));
    let declined = [(Whose::Asked, tokens(9, 5)), (named("claude-opus-5-5"), tokens(7, 8))];
    assert_eq!(metered.beside, declined);
}

#[test]
fn what_is_sampled_beside_it_without_counts_is_not_free() {
    for lacking in [
        r#"{"type":"compaction"}"#,
        r#"{"type":"compaction","input_tokens":1000}"#,
        r#"{"input_tokens":null,"output_tokens":300}"#,
    ] {
        let all = format!(r#"{{"input_tokens":10,"output_tokens":20,"iterations":[{lacking}]}}"#);
        assert_eq!(usage(&all).metered(CacheTtl::FiveMinutes), None, "{lacking}");
    }
}

#[test]
fn the_answer_says_in_which_mode_it_was_served() {
    let asked = Mode { fast: true, ..Mode::default() };
    let slow = usage(r#"{"speed":"standard","inference_geo":"us"}"#);
    assert_eq!(slow.mode(asked), Mode { us: true, ..Mode::default() });
    assert_eq!(usage("{}").mode(asked), asked, "what it does not say is as it was asked for");
}

#[test]
fn plan_windows_are_read_as_far_as_they_make_sense() {
    let read = |utilization: &str, reset: &str| -> Vec<WindowReading> {
        plan_windows(|name| match name {
            "anthropic-ratelimit-unified-5h-utilization" => Some(utilization.to_owned().leak()),
            "anthropic-ratelimit-unified-5h-reset" => Some(reset.to_owned().leak()),
            "anthropic-ratelimit-unified-5h-status" => Some("allowed"),
            _ => None,
        })
    };
    // As real answers have had them, then what other sources of the same numbers write.
    for (utilization, reset, used_milli_percent) in [
        ("0.05", "1790814600", 5_000),
        ("0.42", "1790814600", 42_000),
        ("1", "1790814600", 100_000),
        ("1.03", "1790814600", 103_000),
        ("0", "1790814600", 0),
        ("0.0", "1790814600", 0),
        (" 0.29 ", " 1790814600 ", 29_000),
        ("0.425", "2026-10-01T00:30:00Z", 42_500),
        ("1e-7", "2026-10-01T00:30:00Z", 0),
    ] {
        let [reading] = &read(utilization, reset)[..] else { panic!("{utilization} {reset}") };
        assert_eq!(reading.window, PlanWindow::FiveHours);
        assert_eq!(reading.used_milli_percent, used_milli_percent, "{utilization}");
        assert_eq!(reading.resets_at.as_second(), 1_790_814_600);
    }
    for (utilization, reset) in [
        ("", "1790814600"),
        ("42%", "1790814600"),
        ("-0.1", "1790814600"),
        ("42", "1790814600"),
        ("NaN", "1790814600"),
        ("inf", "1790814600"),
        ("0.4", ""),
        ("0.4", "soon"),
        ("0.4", "0"),
        ("0.4", "-5"),
        ("0.4", "99999999999999999999"),
    ] {
        assert_eq!(read(utilization, reset), [], "{utilization} {reset}");
    }
    let week = plan_windows(|name| match name {
        "anthropic-ratelimit-unified-7d-utilization" => Some("0.30"),
        "anthropic-ratelimit-unified-7d-reset" => Some("1790814600"),
        // Windows of single models are left aside.
        "anthropic-ratelimit-unified-7d_oi-utilization" => Some("0.9"),
        _ => None,
    });
    assert_eq!((week.len(), week[0].window), (1, PlanWindow::Week));
    assert_eq!(week[0].used_milli_percent, 30_000);
}
