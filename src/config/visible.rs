//! Secrets on the command line, which every user of the host can read in the process list. Refusing
//! them would break what people try first, so they are accepted, with one warning at start.

/// The flags in `arguments` whose values contain a secret.
pub fn visible_secrets(arguments: impl Iterator<Item = String>) -> Vec<String> {
    let (mut found, mut arguments) = (Vec::new(), arguments.peekable());
    while let Some(argument) = arguments.next() {
        let (flag, value) = match argument.split_once('=') {
            Some((flag, value)) => (flag.to_owned(), Some(value.to_owned())),
            None => (argument, arguments.peek().cloned()),
        };
        let Some(value) = value.filter(|_| flag.starts_with("--")) else { continue };
        let holds_secret = flag.ends_with("-password") || (flag.ends_with("-url") && has_password(&value));
        if holds_secret && !found.contains(&flag) {
            found.push(flag);
        }
    }
    found
}

/// Whether any of the URLs has `user:password@` before its path, or libpq's `password=`.
fn has_password(url: &str) -> bool {
    let in_authority = url.split("://").skip(1).any(|rest| {
        let authority = rest.split(['/', '?']).next().unwrap_or("");
        let user = authority.rsplit_once('@').map_or("", |(user, _)| user);
        user.split_once(':').is_some_and(|(_, password)| !password.is_empty())
    });
    in_authority || url.contains("password=")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(line: &str) -> Vec<String> {
        visible_secrets(line.split(' ').map(str::to_owned))
    }

    #[test]
    fn secrets_are_found_in_every_form_that_clap_takes() {
        assert_eq!(
            found("run --database-url postgres://u:p@h/d --amqp-password x"),
            ["--database-url", "--amqp-password"]
        );
        assert_eq!(found("run --database-url=postgres://h/d?password=x"), ["--database-url"]);
        assert_eq!(found("run --amqp-url amqp://h,amqp://u:p@h --amqp-url amqp://u:p@h"), ["--amqp-url"]);
    }

    #[test]
    fn urls_without_a_password_and_files_are_no_secrets() {
        let line =
            "run --database-url postgres://u@h:5432/d --amqp-url amqp://u:@h --amqp-password-file /run/secrets/mq";
        assert_eq!(found(line), [""; 0]);
    }
}
