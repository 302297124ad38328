//! Commands as Claude Code keeps them: a line for a shell. Written so that any name survives, and
//! read so far as to say which program is started with which words.

/// Programs of this name are flyball, wherever they lie.
const PROGRAM: &str = "flyball";

/// `text` as one word of a shell.
pub fn shell_word(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./:=@%+,".contains(&byte);
    if !text.is_empty() && text.bytes().all(plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// The words of a command up to its first operator: what a shell would start. Variables stay as
/// they are written.
pub fn words(command: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote: Option<char> = None;
    let mut escaped = false;
    for c in command.chars() {
        match quote {
            _ if escaped => {
                word.get_or_insert_default().push(c);
                escaped = false;
            }
            Some(open) if c == open => quote = None,
            Some('\'') => word.get_or_insert_default().push(c),
            _ if c == '\\' => escaped = true,
            None if c == '\'' || c == '"' => {
                word.get_or_insert_default();
                quote = Some(c);
            }
            None if ";|&<>()\n".contains(c) => break,
            None if c.is_whitespace() => words.extend(word.take()),
            _ => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    words
}

/// The program and the words behind it, where `command` starts flyball: assignments before it do
/// not count.
pub fn of_flyball(command: &str) -> Option<(String, Vec<String>)> {
    let mut words = words(command).into_iter().skip_while(|word| is_assignment(word));
    let program = words.next()?;
    let name = program.rsplit(['/', '\\']).next().unwrap_or(&program);
    let name = name.strip_suffix(".exe").unwrap_or(name);
    (name == PROGRAM).then(|| (program.clone(), words.collect()))
}

fn is_assignment(word: &str) -> bool {
    word.split_once('=').is_some_and(|(name, _)| {
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
        !name.is_empty() && name.chars().all(plain)
    })
}
