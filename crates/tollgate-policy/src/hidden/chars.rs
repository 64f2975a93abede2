//! What each character is, next to its neighbours.

use std::fmt::Write as _;

use super::Hidden;

/// What becomes of a character.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    Keep,
    Hide,
}

/// What was kept so far, as far as the next character's fate depends on it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Before {
    last: Option<char>,
    /// How many tags of a flag are still to come.
    tags: usize,
    /// Right-to-left letters came before.
    leftward: bool,
}

/// The one table of what hides text, or moves it: characters that people see nothing of. Some of them have their places
/// ([`Before::judge`]).
pub(super) const fn is_invisible(c: char) -> bool {
    matches!(c,
        // A terminal's escapes.
        '\u{1b}' | '\u{9b}'
        // Soft hyphen, joiners and fillers without a width.
        | '\u{ad}' | '\u{34f}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180e}' | '\u{3164}' | '\u{ffa0}'
        | '\u{200b}'..='\u{200d}' | '\u{2060}'..='\u{2065}' | '\u{206a}'..='\u{206f}' | '\u{feff}'
        // Marks of direction; what embeds, overrides or isolates one; line separators.
        | '\u{200e}' | '\u{200f}' | '\u{61c}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
        // Annotations, musical beams.
        | '\u{fff9}'..='\u{fffb}' | '\u{1d173}'..='\u{1d17a}'
        // Selectors of a form; tags, and what stands between them.
        | '\u{fe00}'..='\u{fe0f}' | '\u{e0000}'..='\u{e0fff}')
}

impl Before {
    /// Judges `c`, which `rest` follows. Only what is seen vouches for what is not: so what was judged stays as it is when it is
    /// judged again.
    pub(super) fn judge(&mut self, c: char, rest: &(impl Iterator<Item = char> + Clone)) -> Fate {
        if is_invisible(c) {
            if !self.has_its_place(c, rest.clone().next()) {
                return Fate::Hide;
            }
            self.tags = self.tags.saturating_sub(1);
        } else if c == BLACK_FLAG {
            let spells = FLAGS.iter().any(|flag| rest.clone().take(flag.len()).eq(flag.iter().copied()));
            self.tags = if spells { FLAG_LENGTH } else { 0 };
        }
        self.leftward |= is_right_to_left(c);
        self.last = Some(c);
        Fate::Keep
    }

    /// Whether an invisible one belongs where it is.
    fn has_its_place(self, c: char, next: Option<char>) -> bool {
        match c {
            // Joiners belong between letters of scripts that join, and into emoji.
            '\u{200c}' | '\u{200d}' => {
                self.last.is_some_and(|last| joins(last) || is_selector(last)) && next.is_some_and(joins)
            }
            // Marks of direction belong into texts with right-to-left letters.
            '\u{200e}' | '\u{200f}' | '\u{61c}' => self.leftward || next.is_some_and(is_right_to_left),
            // One selector may follow what it selects a form of.
            '\u{fe00}'..='\u{fe0f}' | '\u{e0100}'..='\u{e01ef}' => self.last.is_some_and(|last| {
                !is_invisible(last) && (!last.is_ascii() || is_keycap(last)) && !last.is_whitespace()
            }),
            // Tags spell three flags, and nothing else: else a flag would carry a message.
            '\u{e0020}'..='\u{e007f}' => self.tags > 0,
            _ => false,
        }
    }
}

/// What ends a flag's tags.
const CANCEL: char = '\u{e007f}';

/// How many tags spell a flag.
const FLAG_LENGTH: usize = 6;

/// The flags of England, Scotland and Wales, behind a black one: all that Unicode recommends for interchange (emoji-sequences.txt).
const FLAGS: [[char; FLAG_LENGTH]; 3] = [
    ['\u{e0067}', '\u{e0062}', '\u{e0065}', '\u{e006e}', '\u{e0067}', CANCEL],
    ['\u{e0067}', '\u{e0062}', '\u{e0073}', '\u{e0063}', '\u{e0074}', CANCEL],
    ['\u{e0067}', '\u{e0062}', '\u{e0077}', '\u{e006c}', '\u{e0073}', CANCEL],
];

const BLACK_FLAG: char = '\u{1f3f4}';

fn is_keycap(c: char) -> bool {
    c.is_ascii_digit() || matches!(c, '#' | '*')
}

fn is_selector(c: char) -> bool {
    matches!(c, '\u{fe00}'..='\u{fe0f}' | '\u{e0100}'..='\u{e01ef}')
}

/// Whether a joiner can join it: letters of Arabic, Indic and other scripts, emoji.
fn joins(c: char) -> bool {
    u32::from(c) >= 0x590 && !c.is_whitespace() && !is_invisible(c)
}

pub(super) fn is_right_to_left(c: char) -> bool {
    !is_invisible(c)
        && matches!(u32::from(c), 0x590..=0x8ff | 0xfb1d..=0xfdff | 0xfe70..=0xfefc | 0x1_0800..=0x1_0fff | 0x1_e800..=0x1_efff)
}

/// The sequences of one string.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Sequences {
    /// Up to which character no command's text ends: each stretch is searched once.
    barren: usize,
}

impl Sequences {
    /// How many of the characters behind the `at`th one, an escape or a one-character introducer, belong to its sequence. `rest` ends
    /// where the string does.
    pub(super) fn length(&mut self, at: usize, introducer: char, rest: impl Iterator<Item = char>) -> usize {
        let length = sequence(introducer, rest, at < self.barren);
        if length.is_none() {
            self.barren = at + REACH;
        }
        length.unwrap_or(0)
    }
}

/// How many characters belong to a sequence (ECMA-48). One that does not end within reach is only its first character; `None` = a
/// command's text has no end in reach. `barren`: that is known.
fn sequence(introducer: char, rest: impl Iterator<Item = char>, barren: bool) -> Option<usize> {
    let mut rest = rest.take(REACH);
    let mut count = 0;
    if introducer == '\u{1b}' {
        match rest.next() {
            Some('[') => count = 1,
            Some(']' | 'P' | '^' | '_' | 'X') if barren => return Some(0),
            // Commands with a text: until bell or string terminator.
            Some(']' | 'P' | '^' | '_' | 'X') => {
                let mut last = ' ';
                for (n, c) in rest.enumerate() {
                    match c {
                        '\u{7}' | '\u{9c}' => return Some(n + 2),
                        '\\' if last == '\u{1b}' => return Some(n + 2),
                        _ => last = c,
                    }
                }
                return None;
            }
            Some('(' | ')' | '*' | '+' | '#' | '%') => {
                return Some(1 + usize::from(rest.next().is_some_and(|c| c.is_ascii_alphanumeric())));
            }
            Some('7' | '8' | '=' | '>' | 'c' | 'D' | 'E' | 'H' | 'M' | 'N' | 'O' | 'Z') => return Some(1),
            _ => return Some(0),
        }
    }
    for c in rest.take(64) {
        count += 1;
        match c {
            '0'..='?' | ' '..='/' => {}
            '@'..='~' => return Some(count),
            _ => return Some(0),
        }
    }
    Some(0)
}

/// How far a command's text is looked for an end.
const REACH: usize = 1_024;

/// Plain text without its hidden characters.
pub(super) fn clean(text: &str, mode: Hidden) -> Option<String> {
    let mut out = String::new();
    let mut kept = 0;
    let mut before = Before::default();
    let mut sequences = Sequences::default();
    let mut chars = text.char_indices().enumerate().peekable();
    let mut any = false;
    while let Some((at, (place, c))) = chars.next() {
        let rest = chars.clone().map(|(_, (_, c))| c);
        if before.judge(c, &rest) == Fate::Keep {
            continue;
        }
        any = true;
        out.push_str(text.get(kept..place).unwrap_or_default());
        match mode {
            Hidden::Show => write!(out, "\\u{{{:x}}}", u32::from(c)).unwrap_or_default(),
            Hidden::Strip | Hidden::Keep => {
                if matches!(c, '\u{1b}' | '\u{9b}') {
                    for _ in 0..sequences.length(at, c, rest) {
                        chars.next();
                    }
                }
            }
        }
        kept = chars.peek().map_or(text.len(), |(_, (place, _))| *place);
    }
    any.then(|| {
        out.push_str(text.get(kept..).unwrap_or_default());
        out
    })
}
