//! References in values: `${env:NAME}` and `${file:/path}`.
//!
//! Owns their syntax and their expansion. It must not know which key a value belongs to. It exists
//! so that secrets need not stand in a file. Any other `${…}` is left alone, shells use it too;
//! `$${env:` writes a literal `${env:`.

use std::env::{self, VarError};
use std::fs;
use std::io::{self, Read as _};
use std::path::Path;

use standpipe_core::secret::REDACTED;

use super::error::Fault;

/// A file behind `${file:…}` larger than this is a mistake, such as a device that never ends.
const MAX_FILE_BYTES: u64 = 1024 * 1024;

/// Replaces every reference in `text`. Relative paths start from `base`. One newline at the end of
/// a file is dropped, editors add it. `reading` is told of each file before it is read.
pub(super) fn expand(
    text: &str,
    base: &Path,
    reading: &mut dyn FnMut(&Path),
) -> Result<String, Fault> {
    walk(text, &mut |kind, name| kind.resolve(name, base, reading))
}

/// Reads `text` where references are not replaced: one is a mistake, and only a literal `${env:` is
/// written as everywhere else.
pub(super) fn literal(text: &str) -> Result<String, Fault> {
    if text.contains(REDACTED) {
        return Err(Fault::Withheld);
    }
    walk(text, &mut |_, _| Err(Fault::Reference)).map_err(|_| Fault::Reference)
}

fn walk(
    text: &str,
    resolve: &mut dyn FnMut(Kind, &str) -> Result<String, Fault>,
) -> Result<String, Fault> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(dollar) = rest.find("${") {
        let (before, reference) = rest.split_at(dollar);
        let Some(kind) = Kind::of(reference) else {
            out.push_str(before);
            out.push_str("${");
            rest = &reference[2..];
            continue;
        };
        if let Some(before) = before.strip_suffix('$') {
            out.push_str(before);
            out.push_str(kind.opening());
            rest = &reference[kind.opening().len()..];
            continue;
        }
        out.push_str(before);
        let body = &reference[kind.opening().len()..];
        let end = body.find('}').ok_or(Fault::Unclosed)?;
        out.push_str(&resolve(kind, &body[..end])?);
        rest = &body[end + 1..];
    }
    out.push_str(rest);
    Ok(out)
}

#[derive(Clone, Copy)]
enum Kind {
    Variable,
    File,
}

impl Kind {
    fn of(reference: &str) -> Option<Self> {
        [Self::Variable, Self::File].into_iter().find(|kind| reference.starts_with(kind.opening()))
    }

    const fn opening(self) -> &'static str {
        match self {
            Self::Variable => "${env:",
            Self::File => "${file:",
        }
    }

    fn resolve(
        self,
        name: &str,
        base: &Path,
        reading: &mut dyn FnMut(&Path),
    ) -> Result<String, Fault> {
        match self {
            Self::Variable => env::var(name).map_err(|error| match error {
                VarError::NotPresent => Fault::Unset { name: name.to_owned() },
                VarError::NotUnicode(_) => Fault::UnsetText { name: name.to_owned() },
            }),
            Self::File => {
                let path = base.join(name);
                reading(&path);
                read(&path).map_err(|source| Fault::File { path, source })
            }
        }
    }
}

fn read(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    fs::File::open(path)?.take(MAX_FILE_BYTES + 1).read_to_string(&mut text)?;
    if text.len() as u64 > MAX_FILE_BYTES {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, "larger than 1 MiB"));
    }
    let text = text.strip_suffix('\n').unwrap_or(&text);
    Ok(text.strip_suffix('\r').unwrap_or(text).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expanded(text: &str) -> String {
        expand(text, Path::new("/"), &mut |_| {}).unwrap()
    }

    #[test]
    fn variables_are_replaced_and_other_dollars_are_left_alone() {
        let path = env::var("PATH").unwrap();
        assert_eq!(expanded("${env:PATH}"), path);
        assert_eq!(expanded("a ${env:PATH} b ${env:PATH}"), format!("a {path} b {path}"));
        for text in ["", "plain", "${HOME} $$ $x ${", "${workspaceFolder}/x", "a$"] {
            assert_eq!(expanded(text), text);
        }
        assert_eq!(expanded("$${env:PATH}"), "${env:PATH}");
    }

    #[test]
    fn a_value_is_not_expanded_twice() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("secret"), "${env:PATH}\r\n").unwrap();
        let mut read = Vec::new();
        let mut reading = |path: &Path| read.push(path.to_owned());
        let text = expand("<${file:secret}>", dir.path(), &mut reading).unwrap();
        assert_eq!(text, "<${env:PATH}>");
        assert_eq!(read, [dir.path().join("secret")]);
    }

    #[test]
    fn mistakes_are_named() {
        let cases = [
            ("${env:STANDPIPE_NO_SUCH}", "`${env:STANDPIPE_NO_SUCH}`: the variable is not set"),
            ("${file:/no/such}", "`${file:/no/such}`: No such file"),
            ("${env:PATH", "not closed"),
            ("${file:/dev/zero}", "`${file:/dev/zero}`: "),
        ];
        for (text, expected) in cases {
            let message = expand(text, Path::new("/"), &mut |_| {}).unwrap_err().to_string();
            assert!(message.starts_with(expected) || message.contains(expected), "{message}");
        }
    }
}
