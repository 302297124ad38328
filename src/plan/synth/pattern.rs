//! Strings for a `pattern`: the part of regular expressions that schemas use. Owns no promise:
//! what it makes is checked against the schema afterwards.

use crate::seed::Stream;

/// A pattern, parsed.
#[derive(Debug)]
pub(super) struct Pattern(Vec<Branch>);

/// One alternative: pieces in a row.
type Branch = Vec<Piece>;

#[derive(Debug)]
struct Piece {
    atom: Atom,
    min: u32,
    max: u32,
}

#[derive(Debug)]
enum Atom {
    /// One of these characters.
    Class(Vec<char>),
    Group(Vec<Branch>),
}

/// How many times an open-ended piece is repeated: enough to be unique.
const OPEN_REPEAT: u32 = 9;
/// Nesting and repetition beyond this are given up.
const DEPTH_MAX: u32 = 16;
const REPEAT_MAX: u32 = 200;
const LENGTH_MAX: usize = 2_000;

impl Pattern {
    /// `None` for patterns with features that are not drawn (look-around, back references).
    pub(super) fn parse(text: &str) -> Option<Self> {
        let chars: Vec<char> = text.chars().collect();
        let mut parser = Parser { chars: &chars, at: 0 };
        let branches = parser.branches(0)?;
        (parser.at == chars.len()).then_some(Self(branches))
    }

    /// A string of it.
    pub(super) fn draw(&self, stream: &mut Stream) -> String {
        let mut out = String::new();
        draw_branches(&self.0, stream, &mut out);
        out
    }
}

fn draw_branches(branches: &[Branch], stream: &mut Stream, out: &mut String) {
    let Some(branch) = stream.pick(branches) else { return };
    for piece in branch {
        let spare = u64::from(piece.max.saturating_sub(piece.min));
        let extra = u32::try_from(stream.below(spare + 1)).unwrap_or(0);
        for _ in 0..piece.min + extra {
            if out.len() > LENGTH_MAX {
                return;
            }
            match &piece.atom {
                Atom::Class(chars) => out.extend(stream.pick(chars)),
                Atom::Group(inner) => draw_branches(inner, stream, out),
            }
        }
    }
}

struct Parser<'a> {
    chars: &'a [char],
    at: usize,
}

impl Parser<'_> {
    fn peek(&self) -> Option<char> {
        self.chars.get(self.at).copied()
    }

    fn next(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.at += 1;
        Some(c)
    }

    fn eat(&mut self, wanted: char) -> bool {
        let found = self.peek() == Some(wanted);
        self.at += usize::from(found);
        found
    }

    fn branches(&mut self, depth: u32) -> Option<Vec<Branch>> {
        if depth > DEPTH_MAX {
            return None;
        }
        let mut branches = vec![Vec::new()];
        loop {
            match self.peek() {
                None | Some(')') => return Some(branches),
                Some('|') => {
                    self.at += 1;
                    branches.push(Vec::new());
                }
                Some('^' | '$') => self.at += 1,
                Some(_) => {
                    let piece = self.piece(depth)?;
                    branches.last_mut()?.push(piece);
                }
            }
        }
    }

    fn piece(&mut self, depth: u32) -> Option<Piece> {
        let atom = match self.next()? {
            '(' => {
                if self.eat('?') && !self.eat(':') {
                    return None;
                }
                let inner = self.branches(depth + 1)?;
                self.eat(')').then_some(Atom::Group(inner))?
            }
            '[' => Atom::Class(self.class()?),
            '.' => Atom::Class(('a'..='z').collect()),
            '\\' => {
                let c = self.next()?;
                Atom::Class(escaped(c)?)
            }
            c => Atom::Class(vec![c]),
        };
        let (min, max) = self.repeat()?;
        // A lazy mark changes nothing about what matches.
        self.eat('?');
        Some(Piece { atom, min, max })
    }

    fn repeat(&mut self) -> Option<(u32, u32)> {
        let bounds = match self.peek() {
            Some('?') => (0, 1),
            Some('*') => (0, OPEN_REPEAT),
            Some('+') => (OPEN_REPEAT, OPEN_REPEAT),
            Some('{') => {
                self.at += 1;
                let min = self.number()?;
                let max = if self.eat(',') {
                    if self.peek() == Some('}') { min.max(OPEN_REPEAT) } else { self.number()? }
                } else {
                    min
                };
                (self.peek()? == '}' && min <= max && max <= REPEAT_MAX).then_some((min, max))?
            }
            _ => return Some((1, 1)),
        };
        self.at += 1;
        Some(bounds)
    }

    fn number(&mut self) -> Option<u32> {
        let start = self.at;
        while self.peek().is_some_and(|c| c.is_ascii_digit()) {
            self.at += 1;
        }
        self.chars.get(start..self.at)?.iter().collect::<String>().parse().ok()
    }

    fn class(&mut self) -> Option<Vec<char>> {
        let negated = self.eat('^');
        let mut chars = Vec::new();
        loop {
            let c = self.next()?;
            match c {
                ']' if !chars.is_empty() => break,
                '\\' => {
                    let escape = self.next()?;
                    chars.extend(escaped(escape)?);
                }
                _ if self.peek() == Some('-')
                    && self.chars.get(self.at + 1).is_some_and(|c| *c != ']') =>
                {
                    self.at += 1;
                    let last = self.next()?;
                    let ascii = c.is_ascii() && last.is_ascii() && c <= last;
                    ascii.then(|| chars.extend(c..=last))?;
                }
                _ => chars.push(c),
            }
        }
        if negated {
            chars = ('a'..='z').chain('0'..='9').filter(|c| !chars.contains(c)).collect();
        }
        (!chars.is_empty()).then_some(chars)
    }
}

fn escaped(c: char) -> Option<Vec<char>> {
    match c {
        'd' => Some(('0'..='9').collect()),
        'w' => Some(('a'..='z').chain('0'..='9').collect()),
        's' => Some(vec![' ']),
        'S' | 'D' => Some(('a'..='z').collect()),
        'W' => Some(vec!['-']),
        'n' => Some(vec!['\n']),
        't' => Some(vec!['\t']),
        'b' | 'B' | 'p' | 'P' | 'u' | 'x' | 'k' | '0'..='9' => None,
        other => Some(vec![other]),
    }
}
