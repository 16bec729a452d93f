//! Recognising secrets in the arguments of a command.
//!
//! Owns the guess. It must not know where arguments come from. It exists because nothing marks a
//! literal argument as secret, and `config show` must not print one: what follows an option whose
//! name speaks of a secret, and passwords in URLs, are withheld. A reference such as `${env:TOKEN}`
//! is shown, it is not the secret.

use standpipe_core::secret::REDACTED;

/// Parts of option names behind which secrets stand.
const TELLING: &[&str] = &[
    "apikey",
    "auth",
    "authorization",
    "bearer",
    "credential",
    "key",
    "passphrase",
    "passwd",
    "password",
    "pat",
    "pwd",
    "secret",
    "token",
];

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
        let (name, value) =
            arg.split_once(['=', ':']).map_or((arg.as_str(), None), |(n, v)| (n, Some(v)));
        follows = option && value.is_none() && tells(name);
        shown.push(match value {
            Some(value) if tells(name) => {
                format!("{}{}", &arg[..=name.len()], redact_value(value))
            }
            _ => redact_url(arg),
        });
    }
    shown
}

fn tells(name: &str) -> bool {
    name.to_ascii_lowercase().split(|c: char| !c.is_ascii_alphanumeric()).any(|word| {
        TELLING
            .iter()
            .any(|telling| word == *telling || word.ends_with(telling) && telling.len() > 3)
    })
}

fn redact_value(value: &str) -> String {
    let reference = value.contains("${env:") || value.contains("${file:");
    if reference { value.to_owned() } else { REDACTED.to_owned() }
}

/// Withholds the user part of a URL, `scheme://user:password@host`.
fn redact_url(arg: &str) -> String {
    let Some((scheme, rest)) = arg.split_once("://") else {
        return arg.to_owned();
    };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or(rest);
    match authority.rsplit_once('@') {
        Some((user, _)) if !user.contains("${") => {
            format!("{scheme}://{REDACTED}{}", &rest[user.len()..])
        }
        _ => arg.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::redact_args;

    #[test]
    fn secrets_are_withheld_and_the_rest_is_shown() {
        let cases: &[(&[&str], &[&str])] = &[
            (&["--token", "abc"], &["--token", "[redacted]"]),
            (&["--token=abc"], &["--token=[redacted]"]),
            (&["--api-key", "abc", "x"], &["--api-key", "[redacted]", "x"]),
            (&["--apikey=abc"], &["--apikey=[redacted]"]),
            (&["--db-password=a=b"], &["--db-password=[redacted]"]),
            (&["--header", "Authorization: Bearer x"], &["--header", "Authorization:[redacted]"]),
            (&["API_TOKEN=abc"], &["API_TOKEN=[redacted]"]),
            (&["--token", "${env:T}"], &["--token", "${env:T}"]),
            (&["--token=${file:/t}"], &["--token=${file:/t}"]),
            (&["--token", "--verbose"], &["--token", "--verbose"]),
            (&["-y", "@scope/key-server", "/data"], &["-y", "@scope/key-server", "/data"]),
            (&["--path", "/a/b"], &["--path", "/a/b"]),
            (&["postgres://u:p@h/db"], &["postgres://[redacted]@h/db"]),
            (&["https://h/a@b"], &["https://h/a@b"]),
            (&["--monkey=1", "--keyboard=de"], &["--monkey=1", "--keyboard=de"]),
        ];
        for (args, expected) in cases {
            let args: Vec<String> = args.iter().map(ToString::to_string).collect();
            assert_eq!(redact_args(&args), *expected);
        }
    }
}
