//! Rust source without its comments and the contents of its literals.
//!
//! Owns just enough of Rust's lexical rules to tell code from text. Must not know what is looked
//! for. Without it a rule would find its own name in the file that states it.

#[cfg(test)]
mod tests;

/// The source with comments and the contents of string and character literals replaced by
/// spaces. Line breaks stay, so line numbers stay.
pub(crate) fn code_only(source: &str) -> String {
    let chars: Vec<char> = source.chars().collect();
    let mut code = String::with_capacity(source.len());
    let mut at = 0;
    while at < chars.len() {
        let end = text_end(&chars, at);
        if end == at {
            code.push(chars[at]);
            at += 1;
            continue;
        }
        for &char in &chars[at..end] {
            code.push(if char == '\n' { '\n' } else { ' ' });
        }
        at = end;
    }
    code
}

/// Where the comment or literal that begins at `at` ends; `at` itself when none begins there.
fn text_end(chars: &[char], at: usize) -> usize {
    let next = |ahead: usize| chars.get(at + ahead).copied();
    let in_word = at > 0 && is_word(chars[at - 1]);
    match chars[at] {
        '/' if next(1) == Some('/') => find(chars, at, |char| char == '\n'),
        '/' if next(1) == Some('*') => block_comment_end(chars, at),
        '"' => string_end(chars, at + 1),
        '\'' => char_end(chars, at),
        'r' | 'b' | 'c' if !in_word => prefixed_end(chars, at),
        _ => at,
    }
}

fn block_comment_end(chars: &[char], start: usize) -> usize {
    let mut depth = 0;
    let mut at = start;
    while at < chars.len() {
        match (chars[at], chars.get(at + 1)) {
            ('/', Some('*')) => {
                depth += 1;
                at += 2;
            }
            ('*', Some('/')) => {
                depth -= 1;
                at += 2;
                if depth == 0 {
                    return at;
                }
            }
            _ => at += 1,
        }
    }
    chars.len()
}

fn string_end(chars: &[char], start: usize) -> usize {
    let mut at = start;
    while at < chars.len() {
        match chars[at] {
            '\\' => at += 2,
            '"' => return at + 1,
            _ => at += 1,
        }
    }
    chars.len()
}

/// A quote opens a character literal when it is closed right after one character or an escape;
/// otherwise it opens a lifetime.
fn char_end(chars: &[char], at: usize) -> usize {
    match chars.get(at + 1) {
        Some('\\') => find(chars, at + 3, |char| char == '\'').min(chars.len() - 1) + 1,
        Some(_) if chars.get(at + 2) == Some(&'\'') => at + 3,
        _ => at,
    }
}

/// Literals with a prefix: `b'x'`, `b"…"`, `c"…"`, `r"…"`, `r#"…"#`, `br#"…"#`, `cr"…"`.
fn prefixed_end(chars: &[char], start: usize) -> usize {
    let mut at = start;
    if matches!(chars[at], 'b' | 'c') {
        at += 1;
    }
    if chars.get(at) == Some(&'\'') && chars[start] == 'b' {
        let end = char_end(chars, at);
        return if end == at { start } else { end };
    }
    if chars.get(at) == Some(&'"') {
        return string_end(chars, at + 1);
    }
    if chars.get(at) != Some(&'r') {
        return start;
    }
    at += 1;
    let hashes = chars[at..].iter().take_while(|char| **char == '#').count();
    at += hashes;
    if chars.get(at) != Some(&'"') {
        return start;
    }
    at += 1;
    while at < chars.len() {
        let closes = chars[at] == '"'
            && chars[at + 1..].iter().take(hashes).filter(|char| **char == '#').count() == hashes;
        at += 1;
        if closes {
            return at + hashes;
        }
    }
    chars.len()
}

fn find(chars: &[char], start: usize, wanted: impl Fn(char) -> bool) -> usize {
    let start = start.min(chars.len());
    chars[start..].iter().position(|char| wanted(*char)).map_or(chars.len(), |found| start + found)
}

fn is_word(char: char) -> bool {
    char.is_alphanumeric() || char == '_'
}
