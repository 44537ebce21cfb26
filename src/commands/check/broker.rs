//! The preflight of the broker: every node reachable, login and vhost, publisher confirms, every exchange of the routes there and open to
//! this user, alarms. Called by `check`.

use std::collections::BTreeSet;

use crate::commands::check::finding::{Area, Finding, Verdict};
use crate::config::run::RunConfig;
use crate::rabbitmq::inspect::{Access, Inspection, Kind};

fn found(check: &'static str, verdict: Verdict, found: impl Into<String>) -> Finding {
    Finding::new(Area::Broker, check, verdict, found)
}

/// Every finding about the broker.
pub(super) async fn findings(run: &RunConfig) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut open = None;
    // Side by side, so that three nodes that are away take no longer than one.
    let nodes = match run.broker.address.nodes() {
        Ok(nodes) => nodes,
        Err(error) => return vec![found("reachable", Verdict::Fail, error).mend("mend --amqp-url or its file")],
    };
    let inspections = nodes.into_iter().map(|node| async move {
        (format!("{}, {}", node.place(), node.login()), Inspection::open(&run.broker, node).await)
    });
    for (name, opened) in futures_util::future::join_all(inspections).await {
        match opened {
            Ok(inspection) => {
                let tls = if inspection.is_tls { "TLS" } else { "no TLS" };
                findings.push(found("reachable", Verdict::Ok, format!("{name}: logged in, {tls}")));
                match open {
                    None => open = Some(inspection),
                    Some(_) => inspection.close().await,
                }
            }
            Err(error) => {
                findings.push(found("reachable", Verdict::Fail, format!("{name}: {error}")).mend(mend_of(&error)))
            }
        }
    }
    if let Some(inspection) = open {
        look(run, inspection, &mut findings).await;
    }
    findings
}

/// What usually helps; the broker says little to a client that it refuses.
fn mend_of(error: &str) -> &'static str {
    if error.contains("refused the login") {
        "compare user and password (--amqp-user, --amqp-password-file); guest may only log in from loopback"
    } else if error.contains("certificate") || error.contains("TLS") {
        "compare --amqp-url with the certificate's name and --amqp-ca-file with its authority; docs/connecting.md has the rules"
    } else if error.contains("create the vhost") {
        "create the vhost of --amqp-url, and give the user permissions on it: rabbitmqctl set_permissions -p VHOST USER '' '.*' ''"
    } else {
        "compare --amqp-url with the node's address and port, and look whether the node runs"
    }
}

async fn look(run: &RunConfig, mut inspection: Inspection, findings: &mut Vec<Finding>) {
    match inspection.confirms().await {
        Ok(()) => findings.push(found("confirms", Verdict::Ok, "a channel with publisher confirms opens")),
        Err(error) => {
            let mend = "look at the broker's log; a node with an alarm or too many channels refuses them";
            findings.push(found("confirms", Verdict::Fail, error).mend(mend));
        }
    }
    let exchanges: BTreeSet<&str> = run.routes.all().map(|route| &*route.exchange).collect();
    for exchange in exchanges {
        let declared = run.broker.declare.iter().find(|declared| declared.name == exchange);
        let access = inspection.access(exchange, "outbox-relay.check").await;
        let is_there = matches!(access, Access::Writable | Access::TopicForbidden(_));
        findings.push(of_access(exchange, access, declared.is_some()));
        if let (Some(declared), true) = (declared, is_there) {
            findings.push(of_kind(exchange, inspection.kind(exchange, declared.kind.clone()).await));
        }
    }
    findings.push(match inspection.blocked() {
        Some(reason) => found("alarms", Verdict::Fail, format!("the broker takes no messages: {reason}"))
            .mend("give the node memory or disk again (rabbitmqctl status shows its alarms); relays wait until then and lose nothing"),
        None => found("alarms", Verdict::Ok, "the broker takes messages"),
    });
    inspection.close().await;
}

fn of_access(exchange: &str, access: Access, declared: bool) -> Finding {
    match access {
        Access::Writable => {
            found("exchange", Verdict::Ok, format!("'{exchange}' is there, and this user may write to it"))
        }
        Access::Missing(_) if declared => {
            found("exchange", Verdict::Ok, format!("'{exchange}' is not there yet; run declares it (--declare)"))
        }
        Access::Missing(text) => found("exchange", Verdict::Fail, format!("'{exchange}' does not exist: {text}"))
            .mend("create it, or run the relay with --declare: its events wait on hold until then"),
        Access::Forbidden(text) => {
            found("exchange", Verdict::Fail, format!("this user may not write to '{exchange}': {text}"))
                .mend("give the user write permission: rabbitmqctl set_permissions -p VHOST USER CONFIGURE WRITE READ")
        }
        Access::TopicForbidden(text) => found(
            "exchange",
            Verdict::Warn,
            format!("'{exchange}' has topic permissions, which decide by routing key: {text}"),
        )
        .mend("make sure that they let this relay's routing keys through: rabbitmqctl list_topic_permissions"),
        Access::Unknown(text) => {
            found("exchange", Verdict::Warn, format!("'{exchange}': unknown, the broker did not say: {text}"))
        }
    }
}

fn of_kind(exchange: &str, kind: Kind) -> Finding {
    match kind {
        Kind::Same => found("exchange kind", Verdict::Ok, format!("'{exchange}' is what --declare would make it")),
        Kind::Different(text) => found("exchange kind", Verdict::Warn, format!("'{exchange}' differs from what --declare would make it: {text}"))
            .mend("run without --declare, or delete the exchange so that it can be declared anew; relays go on with it as it is"),
        Kind::Unknown(text) => found("exchange kind", Verdict::Warn, format!("'{exchange}': unknown, this user may not declare: {text}"))
            .mend("run without --declare, or give the user configure permission"),
    }
}
