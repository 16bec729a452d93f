//! Recognising secrets in the arguments of a command.
//!
//! Owns the guess. It must not know where arguments come from. It exists because nothing marks a
//! literal argument as secret, and `config show` must not print one. Withheld is what follows a name
//! that speaks of a secret, as an option, a header, a variable, a member or a query; the user part of
//! a URL; and what looks like a token by itself. Rather too much than too little: a reference such as
//! `${env:TOKEN}` is shown, it is not the secret.

#[cfg(test)]
mod tests;

use standpipe_core::secret::REDACTED;

/// Words in names behind which secrets stand.
const TELLING: &[&str] = &[
    "accesskey",
    "apikey",
    "auth",
    "authorization",
    "bearer",
    "cookie",
    "cred",
    "credential",
    "credentials",
    "creds",
    "dsn",
    "jwt",
    "key",
    "pass",
    "passcode",
    "passphrase",
    "passwd",
    "password",
    "pat",
    "privatekey",
    "pwd",
    "secret",
    "secretkey",
    "sig",
    "signature",
    "token",
];

/// What the tokens of well-known services begin with.
const PREFIXES: &[&str] = &[
    "AIza",
    "AKIA",
    "ASIA",
    "SG.",
    "dop_v1_",
    "eyJ",
    "gho_",
    "ghp_",
    "ghr_",
    "ghs_",
    "ghu_",
    "github_pat_",
    "glpat-",
    "hf_",
    "npm_",
    "pypi-",
    "rk_live_",
    "sk-",
    "sk_live_",
    "sk_test_",
    "xapp-",
    "xoxa-",
    "xoxb-",
    "xoxe-",
    "xoxp-",
    "xoxr-",
    "xoxs-",
    "ya29.",
];

/// A prefix alone is a word like any other.
const LEAST_AFTER_PREFIX: usize = 3;

/// Letters and digits in a row, mixed, from so many on are a token and not a name.
const LONG_RUN: usize = 20;

/// The same where there are only hexadecimal digits and dashes, as in a UUID.
const LONG_HEX: usize = 32;

/// The arguments, with what looks like a secret replaced.
pub(crate) fn redact_args(args: &[String]) -> Vec<String> {
    let mut follows = false;
    let mut shown = Vec::with_capacity(args.len());
    for arg in args {
        let option = arg.starts_with('-');
        if follows && !option {
            shown.push(redact_value(arg));
            follows = false;
            continue;
        }
        follows = option && !arg.contains(['=', ':']) && tells(arg);
        // A password for some, a port or a path for others.
        if shown.last().is_some_and(|last| last == "-p") && !option && !is_port_or_path(arg) {
            shown.push(redact_value(arg));
            continue;
        }
        shown.push(redact_text(arg));
    }
    shown
}

/// Any text: pairs of name and value, URLs, and words between.
fn redact_text(text: &str) -> String {
    if let Some((before, reference, after)) = split_reference(text) {
        return format!("{}{reference}{}", redact_text(before), redact_text(after));
    }
    let Some(at) = text.find(['=', ':']) else {
        return redact_words(text);
    };
    let (name, value) = (&text[..at], &text[at + 1..]);
    if let Some(rest) = value.strip_prefix("//").filter(|_| text[at..].starts_with(':')) {
        return format!("{}://{}", redact_words(name), redact_url(rest));
    }
    // A path is not a name, whatever its parts are called.
    let value = if !name.contains('/') && tells(name) && !value.trim().is_empty() {
        redact_value(value)
    } else {
        redact_text(value)
    };
    format!("{}{}{value}", redact_words(name), &text[at..=at])
}

/// What stands before the first reference, the reference, and what stands after it.
fn split_reference(text: &str) -> Option<(&str, &str, &str)> {
    let start = ["${env:", "${file:"].iter().filter_map(|opening| text.find(opening)).min()?;
    let end = start + text[start..].find('}')? + 1;
    Some((&text[..start], &text[start..end], &text[end..]))
}

/// What follows `scheme://`: without its user part, and with what its query says about secrets.
fn redact_url(rest: &str) -> String {
    let authority = rest.split(['/', '?', '#']).next().unwrap_or(rest);
    let (user, rest) = match authority.rsplit_once('@') {
        Some((user, _)) => (Some(user), &rest[user.len()..]),
        None => (None, rest),
    };
    let user = match user {
        Some(user) if user.contains("${") => user,
        Some(_) => REDACTED,
        None => "",
    };
    let (path, query) = match rest.find(['?', '#']) {
        Some(at) => rest.split_at(at),
        None => (rest, ""),
    };
    let mut shown = format!("{user}{}", redact_words(path));
    for parameter in query.split_inclusive(['?', '&', '#', ';']) {
        shown.push_str(&redact_text(parameter.trim_end_matches(['?', '&', '#', ';'])));
        shown.extend(parameter.chars().last().filter(|last| "?&#;".contains(*last)));
    }
    shown
}

/// Words that are tokens by themselves, and what follows `Bearer`.
fn redact_words(text: &str) -> String {
    let separates = |c: char| c.is_whitespace() || "/,;\"'`()[]{}<>|&?@#=:$".contains(c);
    let mut shown = String::with_capacity(text.len());
    let mut after_scheme = false;
    for piece in text.split_inclusive(separates) {
        let word = piece.trim_end_matches(separates);
        let end = &piece[word.len()..];
        if word.is_empty() {
            // More of what separates; a reference may follow a scheme.
            after_scheme &= end.trim().is_empty();
        } else if after_scheme || is_token(word) {
            shown.push_str(REDACTED);
            after_scheme = false;
        } else {
            shown.push_str(word);
            let scheme = ["bearer", "basic"].iter().any(|s| word.eq_ignore_ascii_case(s));
            after_scheme = scheme && end.starts_with(char::is_whitespace);
        }
        shown.push_str(end);
    }
    shown
}

fn tells(name: &str) -> bool {
    name.to_ascii_lowercase().split(|c: char| !c.is_ascii_alphanumeric()).any(|word| {
        TELLING
            .iter()
            .any(|telling| word == *telling || word.ends_with(telling) && telling.len() > 4)
    })
}

fn is_token(word: &str) -> bool {
    let prefixed = PREFIXES.iter().any(|prefix| {
        word.strip_prefix(prefix).is_some_and(|rest| rest.len() >= LEAST_AFTER_PREFIX)
    });
    prefixed || is_long_hex(word) || word.split(['-', '_', '.', '~', '%']).any(is_long_run)
}

fn is_long_hex(word: &str) -> bool {
    word.len() >= LONG_HEX
        && word.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-')
        && word.bytes().any(|byte| byte.is_ascii_digit())
}

fn is_long_run(run: &str) -> bool {
    let has = |what: fn(&u8) -> bool| run.as_bytes().iter().any(what);
    run.len() >= LONG_RUN && has(u8::is_ascii_digit) && has(u8::is_ascii_alphabetic)
}

fn is_port_or_path(value: &str) -> bool {
    value.starts_with(['/', '.', '~']) || value.bytes().all(|b| b.is_ascii_digit() || b == b':')
}

fn redact_value(value: &str) -> String {
    let reference = value.contains("${env:") || value.contains("${file:");
    if reference { value.to_owned() } else { REDACTED.to_owned() }
}
