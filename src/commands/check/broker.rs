//! The checks of the broker: every node reachable, login and vhost, publisher confirms, every
//! exchange of the routes there and writable, alarms. Called by `check`.

use std::collections::BTreeSet;

use crate::commands::check::expiry;
use crate::commands::check::finding::{Area, Finding, Verdict};
use crate::commands::check::partitions;
use crate::config::run::RunConfig;
use crate::outbox::limits::{FRAME_BYTES_MAX, headers_bytes_max};
use crate::rabbitmq::inspect::{Access, Inspection, Kind};

fn found(check: &'static str, verdict: Verdict, found: impl Into<String>) -> Finding {
    Finding::new(Area::Broker, check, verdict, found)
}

/// Every finding about the broker.
pub(super) async fn findings(run: &RunConfig) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut open = None;
    // Concurrently, so that three dead nodes take no longer than one.
    let nodes = match run.broker.address.nodes() {
        Ok(nodes) => nodes,
        Err(error) => return vec![found("reachable", Verdict::Fail, error).fix("correct --amqp-url or its file")],
    };
    let inspections = nodes.into_iter().map(|node| async move {
        let name = format!("{}, {}", node.place(), node.login());
        (name, Inspection::open(&run.broker, node.clone()).await, node)
    });
    for (name, opened, node) in futures_util::future::join_all(inspections).await {
        match opened {
            Ok(inspection) => {
                let tls = if inspection.is_tls { "TLS" } else { "no TLS" };
                findings.push(found("reachable", Verdict::Ok, format!("{name}: logged in, {tls}")));
                let (_, password) = node.credentials();
                let comes_anew = run.broker.address.reads_files();
                let now = time::OffsetDateTime::now_utc().unix_timestamp();
                findings.extend(expiry::of_token(password, comes_anew, now));
                match open {
                    None => open = Some((inspection, node)),
                    Some(_) => inspection.close().await,
                }
            }
            Err(error) => {
                findings.push(found("reachable", Verdict::Fail, format!("{name}: {error}")).fix(fix_of(&error)))
            }
        }
    }
    if let Some((inspection, node)) = open {
        look(run, inspection, &mut findings).await;
        let wanted = run.workers + 1;
        findings.push(match Inspection::channels(&run.broker, node, wanted).await {
            Ok(channels) => of_channels(channels, wanted),
            Err(error) => found("channels", Verdict::Warn, format!("not known: {error}")),
        });
    }
    findings
}

/// The usual fix. The broker tells little to a client that it refuses.
fn fix_of(error: &str) -> &'static str {
    if error.contains("refused the login") {
        "check user and password (--amqp-user, --amqp-password-file); guest may only log in from loopback"
    } else if error.contains("certificate") || error.contains("TLS") {
        "compare --amqp-url with the certificate's name, and --amqp-ca-file with its authority; see docs/connecting.md"
    } else if error.contains("create the vhost") {
        "create the vhost of --amqp-url, and give the user permissions on it: rabbitmqctl set_permissions -p VHOST USER '' '.*' ''"
    } else {
        "check the address and port in --amqp-url, and whether the node is running"
    }
}

async fn look(run: &RunConfig, mut inspection: Inspection, findings: &mut Vec<Finding>) {
    match inspection.confirms().await {
        Ok(()) => findings.push(found("confirms", Verdict::Ok, "can open a channel with publisher confirms")),
        Err(error) => {
            let fix = "check the broker's log; a node with an alarm or too many channels refuses them";
            findings.push(found("confirms", Verdict::Fail, error).fix(fix));
        }
    }
    let exchanges: BTreeSet<&str> = run.routes.all().map(|route| &*route.exchange).collect();
    for exchange in exchanges {
        let declared = run.broker.declare.exchanges.iter().find(|declared| declared.name == exchange);
        let access = inspection.access(exchange, "outbox-relay.check").await;
        let is_there = matches!(access, Access::Writable | Access::TopicForbidden(_));
        findings.push(of_access(exchange, access, declared.is_some()));
        if let (Some(declared), true) = (declared, is_there) {
            findings.push(of_kind(exchange, inspection.kind(exchange, declared.kind.clone()).await));
        }
    }
    for route in run.routes.all() {
        findings.extend(partitions::findings(&inspection, route, !run.broker.declare.queues.is_empty()).await);
    }
    findings.push(match inspection.blocked() {
        Some(reason) => found("alarms", Verdict::Fail, format!("the broker takes no messages: {reason}"))
            .fix("free memory or disk on the node (rabbitmqctl status shows its alarms); until then, relays wait and lose nothing"),
        None => found("alarms", Verdict::Ok, "the broker takes messages"),
    });
    findings.extend(of_frames(inspection.frame_bytes_max()));
    inspection.close().await;
}

/// Smaller frames than most brokers have leave less room for a row's headers.
fn of_frames(frame_bytes_max: usize) -> Option<Finding> {
    let room = headers_bytes_max(frame_bytes_max);
    let text = format!(
        "frames of {frame_bytes_max} bytes were negotiated: a row with headers above {room} bytes becomes a dead letter"
    );
    let fix = format!("raise frame_max (of --amqp-url or of the broker) to {FRAME_BYTES_MAX}");
    (frame_bytes_max < FRAME_BYTES_MAX).then(|| found("frames", Verdict::Warn, text).fix(fix))
}

/// The workers and the probe want a channel each. With one nothing that is on hold would ever be tried.
fn of_channels(channels: usize, wanted: usize) -> Finding {
    if channels >= wanted {
        return found(
            "channels",
            Verdict::Ok,
            format!("{wanted} can be opened, one for each worker and one for probes"),
        );
    }
    let (verdict, without) = if channels < 2 {
        (Verdict::Fail, "what is on hold would not be tried".to_owned())
    } else {
        (Verdict::Warn, format!("{} of the workers go without", wanted - channels))
    };
    let text = format!("only {channels} of {wanted} can be opened: {without}");
    found("channels", verdict, text)
        .fix("raise channel_max (of --amqp-url or of the broker) or the user's max-channels, or lower --workers")
}

fn of_access(exchange: &str, access: Access, declared: bool) -> Finding {
    match access {
        Access::Writable => {
            found("exchange", Verdict::Ok, format!("'{exchange}' exists, and this user may write to it"))
        }
        Access::Missing(_) if declared => found(
            "exchange",
            Verdict::Ok,
            format!("'{exchange}' does not exist yet; the relay declares it (--declare)"),
        ),
        Access::Missing(text) => found("exchange", Verdict::Fail, format!("'{exchange}' does not exist: {text}"))
            .fix("create it, or run the relay with --declare; until then its events wait on hold"),
        Access::Internal(text) => found("exchange", Verdict::Fail, format!("'{exchange}' is internal: {text}"))
            .fix("name another exchange in the routes, one that is bound to it, or declare it without internal"),
        Access::Forbidden(text) => {
            found("exchange", Verdict::Fail, format!("this user may not write to '{exchange}': {text}"))
                .fix("give the user write permission: rabbitmqctl set_permissions -p VHOST USER CONFIGURE WRITE READ")
        }
        Access::TopicForbidden(text) => found(
            "exchange",
            Verdict::Warn,
            format!("'{exchange}' has topic permissions, which depend on the routing key: {text}"),
        )
        .fix("make sure that they allow this relay's routing keys: rabbitmqctl list_topic_permissions"),
        Access::Unknown(text) => {
            found("exchange", Verdict::Warn, format!("'{exchange}': unknown, the broker did not answer: {text}"))
        }
    }
}

fn of_kind(exchange: &str, kind: Kind) -> Finding {
    match kind {
        Kind::Same => found("exchange kind", Verdict::Ok, format!("'{exchange}' is as --declare would create it")),
        Kind::Different(text) => found(
            "exchange kind",
            Verdict::Warn,
            format!("'{exchange}' is not as --declare would create it: {text}"),
        )
        .fix("run without --declare, or delete the exchange so that it can be declared again; relays use it as it is"),
        Kind::Unknown(text) => {
            found("exchange kind", Verdict::Warn, format!("'{exchange}': unknown, this user may not declare: {text}"))
                .fix("run without --declare, or give the user configure permission")
        }
    }
}
