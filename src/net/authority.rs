//! Refuses URLs whose password would be cut at the wrong place: the rest of it would be taken for a host, a database or a vhost, and shown
//! as one.
//!
//! Used by the URLs of both services, before anything else reads them. Never repeats a part of the URL.

/// What to do about each of these.
const FIX: &str = "in a user or password, write @ as %40, # as %23, / as %2F, ? as %3F, comma as %2C and % as %25";

/// Whether `url` can be cut only in one way.
pub fn check(url: &str) -> Result<(), String> {
    if url.chars().any(char::is_control) {
        return Err("the URL contains a line break or another control character; remove it".to_owned());
    }
    let Some((_, rest)) = url.split_once("://") else { return Ok(()) };
    if rest.contains('#') {
        return Err(format!("the URL contains a # that is not percent-encoded; {FIX}"));
    }
    let authority = rest.split(['/', '?']).next().unwrap_or_default();
    match rest.matches('@').count() {
        0 => Ok(()),
        1 if authority.contains('@') => Ok(()),
        1 => Err(format!("the URL contains a / or ? before its @, or an @ that is not percent-encoded; {FIX}")),
        _ => Err(format!("the URL contains a second @ that is not percent-encoded; {FIX}")),
    }
}

/// The pieces of a list of URLs, separated by commas or line breaks. A piece that is no URL may be the rest of a password.
pub fn split_list(list: &str) -> Result<Vec<&str>, String> {
    let pieces: Vec<&str> = list.split([',', '\n']).map(str::trim).filter(|piece| !piece.is_empty()).collect();
    if pieces.len() > 1 && pieces.iter().any(|piece| !piece.contains("://")) {
        return Err(format!("a part of the list is not a URL; separate URLs, each with its scheme, by commas; {FIX}"));
    }
    Ok(pieces)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_that_can_be_cut_only_in_one_way_is_taken() {
        for url in [
            "postgres://u@h:5432/d",
            "postgres://u:p%40ss%2Fx@h/d?sslmode=disable",
            "postgres:///d?host=/run/postgresql",
            "amqps://u:p@[::1]:5671/%2f?cacertfile=/etc/ca.pem",
            "host=h user=u password='p@#/'",
        ] {
            assert_eq!(check(url), Ok(()), "{url}");
        }
        assert_eq!(split_list("amqp://a, amqp://b\namqp://c\n"), Ok(vec!["amqp://a", "amqp://b", "amqp://c"]));
    }

    #[test]
    fn a_password_that_is_not_encoded_is_refused_with_the_fix_and_not_shown() {
        for url in [
            "postgres://u:pa@hunter2@h/d",
            "postgres://u:pa#hunter2@h/d",
            "postgres://u:5432/hunter2@h/d",
            "postgres://u:5432?hunter2=x@h/d",
            "postgres://u:p@h/d?user=me@hunter2",
            "postgres://h:5432/d?password=p@hunter2",
            "amqp://u:p@h/v\nhunter2",
        ] {
            let said = check(url).expect_err(url);
            assert!(!said.contains("hunter2") && !said.contains("pa@"), "{said}");
        }
        let said = split_list("amqp://u:pa,hunter2@h/v").expect_err("two pieces");
        assert!(said.contains("%2C") && !said.contains("hunter2"), "{said}");
    }
}
