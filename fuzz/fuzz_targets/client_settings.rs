//! Claude Code's settings: refused with a reason, or an entry is put in that can be found, and taken
//! out again without a trace. Commands are split into words without trouble.
#![no_main]

use flyball::claude::entry::{hooks, put_hook, put_status_line, without_hook, without_status_line};
use flyball::claude::json_text::JsonText;
use flyball::claude::settings_file::without_secrets;
use flyball::claude::shell_command::{shell_word, words};
use flyball::claude::status_input::StatusInput;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let _ = StatusInput::read(text);
    let _ = words(text);
    assert_eq!(words(&shell_word(text)), [text]);
    let Ok(json) = JsonText::parse(text) else { return };
    JsonText::parse(&without_secrets(&json)).expect("JSON without secrets is JSON");
    let command = "flyball hook pre-tool-use || exit 2";
    if let Ok(put) = put_hook(&json, command)
        && let (Some(after), Some(made)) = (put.text, put.made)
    {
        let after = JsonText::parse(&after).expect("still JSON");
        assert_eq!(hooks(after.value()).len(), 1);
        assert_eq!(without_hook(&after, Some(&made)).as_deref(), Some(text));
    }
    if let Ok(put) = put_status_line(&json, "flyball statusline")
        && let (Some(after), Some(made)) = (put.text, put.made)
    {
        let after = JsonText::parse(&after).expect("still JSON");
        assert_eq!(without_status_line(&after, Some(&made)).as_deref(), Some(text));
    }
});
