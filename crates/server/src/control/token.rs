//! The token that opens the control plane on TCP.
//!
//! Owns the comparison. It must not be printed. It exists because a comparison that stops at the first
//! difference tells by its duration how much was right.

use http::HeaderMap;
use http::header::AUTHORIZATION;
use standpipe_core::secret::Redacted;
use subtle::ConstantTimeEq as _;

/// What a caller has to know.
#[derive(Debug, Clone)]
pub(super) struct Token(Redacted<String>);

impl Token {
    pub(super) const fn new(token: Redacted<String>) -> Self {
        Self(token)
    }

    /// Whether a request shows it, as `Authorization: Bearer TOKEN` (RFC 6750, section 2.1). Takes
    /// equally long for every wrong token of the right length.
    pub(super) fn opens_for(&self, headers: &HeaderMap) -> bool {
        let mut given = headers.get_all(AUTHORIZATION).iter();
        let (Some(value), None) = (given.next(), given.next()) else {
            return false;
        };
        let Some((scheme, shown)) = split(value.as_bytes()) else {
            return false;
        };
        scheme.eq_ignore_ascii_case(b"bearer")
            && bool::from(shown.ct_eq(self.0.expose().as_bytes()))
    }
}

fn split(value: &[u8]) -> Option<(&[u8], &[u8])> {
    let space = value.iter().position(|byte| *byte == b' ')?;
    Some((&value[..space], value[space..].trim_ascii()))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn opens(values: &[&'static str]) -> bool {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(AUTHORIZATION, HeaderValue::from_static(value));
        }
        Token::new(Redacted::new("0123456789abcdef".to_owned())).opens_for(&headers)
    }

    #[test]
    fn only_the_whole_token_opens() {
        assert!(opens(&["Bearer 0123456789abcdef"]));
        assert!(opens(&["bearer   0123456789abcdef"]));
        for wrong in [
            "",
            "Bearer",
            "Bearer ",
            "0123456789abcdef",
            "Basic 0123456789abcdef",
            "Bearer 0123456789abcdeF",
            "Bearer 0123456789abcde",
            "Bearer 0123456789abcdef0",
            "Bearer 0123456789abcdef 0123456789abcdef",
        ] {
            assert!(!opens(&[wrong]), "{wrong}");
        }
        assert!(!opens(&[]));
        assert!(!opens(&["Bearer 0123456789abcdef", "Bearer 0123456789abcdef"]));
    }
}
