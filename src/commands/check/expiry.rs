//! When what a relay logs in with ends: a database role's password, and a token in place of the broker's. Called by `database` and `broker`.
//!
//! Pure. Reads of a token nothing but `exp`, and never repeats any of it.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};

use crate::commands::check::finding::{Area, Finding, Verdict};
use crate::commands::print::words::span;

/// What people need to change a password in time, as for certificates.
const SOON_SECONDS: i64 = 14 * 86_400;
const CHECK: &str = "password expiry";

/// When a password that is a JSON Web Token ends, in Unix seconds (`exp`, RFC 7519, section 4.1.4); `None` for every other password.
fn token_end(password: &str) -> Option<i64> {
    let mut parts = password.split('.');
    let (Some(_), Some(claims), Some(_), None) = (parts.next(), parts.next(), parts.next(), parts.next()) else {
        return None;
    };
    let claims = URL_SAFE_NO_PAD.decode(claims).ok()?;
    let claims: Map<String, Value> = serde_json::from_slice(&claims).ok()?;
    claims.get("exp")?.as_i64()
}

/// About the broker's password, if it is a token: `comes_anew` says that it is in a file, which the relay reads again.
pub(super) fn of_token(password: &str, comes_anew: bool, now: i64) -> Option<Finding> {
    let left = token_end(password)?.saturating_sub(now);
    let found = |verdict, text: String| Finding::new(Area::Broker, CHECK, verdict, text);
    let fix = "put tokens into the file of --amqp-password-file, and replace it before each one ends";
    Some(match (left > 0, comes_anew) {
        (true, true) => {
            found(Verdict::Ok, format!("the token ends in {}; the relay takes the next one from its file", span(left)))
        }
        (true, false) => {
            found(Verdict::Warn, format!("the token ends in {}, and nothing renews it", span(left))).fix(fix)
        }
        (false, _) => found(Verdict::Warn, format!("the token ended {} ago", span(-left))).fix(fix),
    })
}

/// About the password of a database role that ends in so many seconds; `None` where it has no end.
pub(super) fn of_role(role: &str, seconds: Option<i64>) -> Option<Finding> {
    let left = seconds?;
    let found = |verdict, text: String| Finding::new(Area::Database, CHECK, verdict, text);
    let fix =
        format!("ALTER ROLE {role} PASSWORD '…' VALID UNTIL '…', and put it into the file of --database-password-file");
    Some(if left <= 0 {
        found(Verdict::Warn, format!("the password of {role} ended {} ago: the next login may be refused", span(-left)))
            .fix(fix)
    } else if left < SOON_SECONDS {
        found(Verdict::Warn, format!("the password of {role} ends in {}", span(left))).fix(fix)
    } else {
        found(Verdict::Ok, format!("the password of {role} ends in {}", span(left)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(claims: &str) -> String {
        let part = |text: &str| URL_SAFE_NO_PAD.encode(text);
        format!("{}.{}.{}", part(r#"{"alg":"RS256"}"#), part(claims), part("signature"))
    }

    #[test]
    fn the_end_of_a_token_is_read_and_other_passwords_are_left_alone() {
        assert_eq!(token_end(&token(r#"{"sub":"relay","exp":1800000000}"#)), Some(1_800_000_000));
        let huge = format!("a.{}.b", "x".repeat(100_000));
        for other in
            ["", "guest", "a.b.c", "p.w", "a.b.c.d", &token("{}"), &token(r#"{"exp":"soon"}"#), &token("[1]"), &huge]
        {
            assert_eq!(token_end(other), None, "{} bytes", other.len());
        }
    }

    #[test]
    fn a_token_that_nothing_renews_is_worth_a_warning_and_is_never_shown() {
        let password = token(r#"{"exp":1000}"#);
        let about = |comes_anew, now| of_token(&password, comes_anew, now).expect("it is a token");
        assert_eq!(about(true, 100).verdict, Verdict::Ok);
        assert_eq!(about(false, 100).verdict, Verdict::Warn);
        assert_eq!(about(true, 1_000).verdict, Verdict::Warn);
        for finding in [about(true, 100), about(false, 100), about(true, 5_000)] {
            let shown = serde_json::to_string(&finding).expect("a document");
            assert!(password.split('.').all(|part| !shown.contains(part)), "{shown}");
        }
    }

    #[test]
    fn a_roles_password_is_worth_a_warning_two_weeks_before_its_end() {
        let verdict = |seconds| of_role("relay", seconds).map(|finding| finding.verdict);
        assert_eq!(verdict(None), None);
        assert_eq!(verdict(Some(SOON_SECONDS)), Some(Verdict::Ok));
        assert_eq!(verdict(Some(SOON_SECONDS - 1)), Some(Verdict::Warn));
        assert_eq!(verdict(Some(0)), Some(Verdict::Warn));
    }
}
