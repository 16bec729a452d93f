//! What is withheld, and what is not.

use super::redact_args;

#[test]
fn secrets_are_withheld_and_the_rest_is_shown() {
    let cases: &[(&[&str], &[&str])] = &[
        (&["--token", "abc"], &["--token", "[redacted]"]),
        (&["--token=abc"], &["--token=[redacted]"]),
        (&["--api-key", "abc", "x"], &["--api-key", "[redacted]", "x"]),
        (&["--apikey=abc"], &["--apikey=[redacted]"]),
        (&["--db-password=a=b"], &["--db-password=[redacted]"]),
        (&["--pass=abc"], &["--pass=[redacted]"]),
        (&["--pass", "abc"], &["--pass", "[redacted]"]),
        (&["-p", "abc"], &["-p", "[redacted]"]),
        (&["-p", "8080"], &["-p", "8080"]),
        (&["-p", "./tsconfig.json"], &["-p", "./tsconfig.json"]),
        (&["--header", "Authorization: Bearer x"], &["--header", "Authorization:[redacted]"]),
        (&["--header=X-Api-Key: abc"], &["--header=X-Api-Key:[redacted]"]),
        (&["-H", "Cookie: a=b"], &["-H", "Cookie:[redacted]"]),
        (&["API_TOKEN=abc"], &["API_TOKEN=[redacted]"]),
        (&["--env", "A=1,API_TOKEN=abc"], &["--env", "A=1,API_TOKEN=[redacted]"]),
        (&[r#"{"a":1,"token":"x"}"#], &[r#"{"a":1,"token":[redacted]"#]),
        (&["https://h/?token=abc&a=1"], &["https://h/?token=[redacted]&a=1"]),
        (&["--url=https://h/x?a=1&sig=abc#f"], &["--url=https://h/x?a=1&sig=[redacted]#f"]),
        (&["postgres://u:p@h/db"], &["postgres://[redacted]@h/db"]),
        (&["sk-abc123"], &["[redacted]"]),
        (&["ghp_abcdef"], &["[redacted]"]),
        (&["xoxb-1-2"], &["[redacted]"]),
        (&["AKIAABCDEFGH"], &["[redacted]"]),
        (&["Bearer abc"], &["Bearer [redacted]"]),
        (&["https://h/hook/AbCdEfGhIjKlMnOpQrSt12"], &["https://h/hook/[redacted]"]),
        (&["550e8400-e29b-41d4-a716-446655440000"], &["[redacted]"]),
        // References are no secrets.
        (&["--token", "${env:T}"], &["--token", "${env:T}"]),
        (&["--token=${file:/t}"], &["--token=${file:/t}"]),
        (&["Bearer ${env:T}"], &["Bearer ${env:T}"]),
        (&["https://${env:U}@h/?token=${env:T}"], &["https://${env:U}@h/?token=${env:T}"]),
    ];
    check(cases);
}

#[test]
fn what_only_resembles_one_is_shown() {
    let cases: &[&[&str]] = &[
        &["--token", "--verbose"],
        &["-y", "@scope/key-server", "/data"],
        &["-y", "@modelcontextprotocol/server-filesystem@2025.8.31", "/srv/tokens/a"],
        &["--path", "/a/b"],
        &["https://h/a@b"],
        &["--monkey=1", "--keyboard=de"],
        &["-v", "/home/me/secret:/mnt"],
        &["--from", "git+https://github.com/o/a-repository-with-a-long-name", "sk-", "bearer"],
        &["--image=ghcr.io/o/server:1.2.3-linux-amd64", "--port=8080"],
        &[],
    ];
    let cases: Vec<_> = cases.iter().map(|args| (*args, *args)).collect();
    check(&cases);
}

fn check(cases: &[(&[&str], &[&str])]) {
    for (args, expected) in cases {
        let args: Vec<String> = args.iter().map(ToString::to_string).collect();
        assert_eq!(redact_args(&args), *expected);
    }
}
