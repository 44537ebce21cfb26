//! Database errors at the login read as a person would say them: what is wrong, where, and what fixes it.

use testkit::command::Command;
use testkit::patience::SOON;
use testkit::process::{free_port, unique};
use testkit::urls::{addr_of, with_path, with_user};
use testkit::{Relay, TestBed};

async fn migrate(url: &str) -> String {
    let said = Command::new(&["migrate", "--database-url", url]).run().await.with_code(69).stderr;
    for phrase in ["db error", "FATAL", "error connecting", "os error"] {
        assert!(!said.contains(phrase), "{phrase}: {said}");
    }
    said
}

#[tokio::test]
async fn each_refusal_names_the_server_and_the_fix() {
    let bed = TestBed::new("refusals").await;
    let address = addr_of(&bed.database_url());
    let said = migrate(&with_path(&bed.database_url(), "no_such_database")).await;
    assert!(
        said.contains(&format!("{address}: database \"no_such_database\" does not exist; create the database")),
        "{said}"
    );
    let said = migrate(&with_user(&bed.database_url(), "no_such_role")).await;
    assert!(said.contains("role \"no_such_role\" does not exist; the role or"), "{said}");
    let nobody = format!("postgres://u@127.0.0.1:{}/d", free_port());
    assert!(migrate(&nobody).await.ends_with(": connection refused\n"));
    let both = format!("postgres://postgres@127.0.0.1:{},{address}/{}?sslmode=disable", free_port(), bed.name());
    bed.migrate().await;
    let relay = Relay::start(&bed, &["--database-url", &both]).await;
    relay.says(&format!("connected to the database {address}/{} as postgres", bed.name())).await;
}

#[tokio::test]
async fn a_role_without_grants_is_told_how_to_get_them() {
    let bed = TestBed::new("no grants").await;
    bed.migrate().await;
    let role = unique("nobody");
    let client = bed.client().await;
    client.batch_execute(&format!("CREATE ROLE {role} LOGIN")).await.expect("a role");
    let relay = Relay::start(&bed, &["--database-url", &with_user(&bed.database_url(), &role)]).await;
    relay.says("permission denied for schema outbox; grants are missing: outbox-relay migrate --grants").await;
    drop(relay);
    let gone = format!("DROP ROLE {role}");
    testkit::eventually(SOON, "the role is dropped", async || client.batch_execute(&gone).await.is_ok()).await;
}
