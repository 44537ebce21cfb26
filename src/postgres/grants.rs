//! The grants of the outbox's three roles, as SQL: exactly what a producer, a relay and an operator
//! need. Used by `migrate`, which prints or applies them.
//!
//! Only adds grants and never revokes any. Role names are quoted.

use crate::postgres::queries::in_schema;

const CREATE_ROLE: &str = include_str!("../../sql/grants/create_role.sql");
const WRITER: &str = include_str!("../../sql/grants/writer.sql");
const WRITER_INSERT_ONLY: &str = include_str!("../../sql/grants/writer_insert_only.sql");
const RELAY: &str = include_str!("../../sql/grants/relay.sql");
const ADMIN: &str = include_str!("../../sql/grants/admin.sql");
/// The placeholder for the role in those files.
const PLACE: &str = "the_role";
/// PostgreSQL truncates longer names.
const NAME_BYTES_MAX: usize = 63;

/// Who gets which grants.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Grants {
    /// Inserts events.
    pub writer: Option<String>,
    /// Whether the writer reads back only the columns that the table filled in.
    pub writer_insert_only: bool,
    /// Runs the relay.
    pub relay: Option<String>,
    /// Inspects and repairs.
    pub admin: Option<String>,
    /// Whether to create missing roles.
    pub create_roles: bool,
}

impl Grants {
    /// The statements.
    pub fn sql(&self, schema: &str) -> String {
        let writer = if self.writer_insert_only { WRITER_INSERT_ONLY } else { WRITER };
        let given = [(&self.writer, writer), (&self.relay, RELAY), (&self.admin, ADMIN)];
        let mut sql = String::new();
        for (role, grants) in given {
            let Some(role) = role else { continue };
            for text in [self.create_roles.then_some(CREATE_ROLE), Some(grants)].into_iter().flatten() {
                if !sql.is_empty() {
                    sql.push('\n');
                }
                sql.push_str(&for_role(&in_schema(text, schema), role));
            }
        }
        sql
    }
}

/// Why a name is not allowed for a role; `None` if it is allowed.
pub fn refusal(role: &str) -> Option<String> {
    if role.is_empty() || role.len() > NAME_BYTES_MAX {
        Some(format!("a role's name must have 1 to {NAME_BYTES_MAX} bytes"))
    } else if role.chars().any(char::is_control) || role.contains('$') {
        Some("a role's name must not contain control characters or $".to_owned())
    } else {
        None
    }
}

fn for_role(sql: &str, role: &str) -> String {
    let (literal, name) = (role.replace('\'', "''"), role.replace('"', "\"\""));
    sql.replace(&format!("'{PLACE}'"), &format!("'{literal}'")).replace(PLACE, &format!("\"{name}\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_quoted_and_only_the_roles_asked_for_are_there() {
        let grants = Grants { relay: Some("the \"relay\"'s".into()), create_roles: true, ..Grants::default() };
        let sql = grants.sql("shop");
        assert!(sql.contains("GRANT USAGE ON SCHEMA \"shop\" TO \"the \"\"relay\"\"'s\";"), "{sql}");
        assert!(sql.contains("rolname = 'the \"relay\"''s'"), "{sql}");
        assert!(sql.contains("For `outbox-relay run`") && !sql.contains(PLACE), "{sql}");
        assert!(!sql.contains("emit"), "{sql}");
    }

    #[test]
    fn names_that_no_role_can_have_are_refused() {
        assert!(refusal("relay").is_none() && refusal("Team A").is_none());
        for name in ["", "a\nb", "$create$", &"x".repeat(64)] {
            assert!(refusal(name).is_some(), "{name:?}");
        }
    }
}
