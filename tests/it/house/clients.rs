//! Who knows which foreign client: each has its doors, and no other.

use super::{assert_none, code};

#[test]
fn each_foreign_client_is_imported_by_its_adapters_alone() {
    let doors = [
        ("aws_sdk_sqs", &["engine/src/queue/sqs/"][..]),
        ("aws_smithy_runtime_api", &["engine/src/queue/sqs/"]),
        ("aws_sdk_sns", &["engine/src/topic/sns/"]),
        ("axum", &["src/console/", "src/telemetry/health.rs", "src/telemetry/port.rs"]),
        ("opentelemetry_otlp", &["src/telemetry/export.rs"]),
        ("opentelemetry_prometheus", &["src/telemetry/export.rs"]),
        ("prometheus", &["src/telemetry/export.rs", "src/telemetry/mod.rs"]),
        ("tracing_opentelemetry", &["src/telemetry/log.rs", "src/telemetry/watch.rs"]),
        ("tracing_subscriber", &["src/config/mod.rs", "src/telemetry/log.rs"]),
        (
            "hyper",
            &[
                "src/ecs.rs",
                "src/ops/demo/receiver.rs",
                "src/telemetry/port.rs",
                "src/webhook/client.rs",
                "src/webhook/mod.rs",
                "src/webhook/settings.rs",
            ],
        ),
        ("hyper_util", &["src/ecs.rs", "src/ops/demo/receiver.rs", "src/telemetry/port.rs", "src/webhook/client.rs"]),
        // Who signs, and who verifies.
        ("hmac", &["src/console/session.rs", "src/ops/demo/receiver.rs", "src/webhook/sign.rs"]),
        ("httpdate", &["src/webhook/answer.rs"]),
        (
            "minijinja",
            &[
                "src/console/page.rs",
                "src/mail/compose.rs",
                "src/mail/faults.rs",
                "src/mail/shown.rs",
                "src/mail/templates.rs",
                "src/mail/values.rs",
            ],
        ),
        // Addresses and messages alone.
        (
            "lettre",
            &[
                "src/config/mail.rs",
                "src/events/address.rs",
                "src/mail/compose.rs",
                "src/mail/header.rs",
                "src/mail/message.rs",
                "src/mail/mod.rs",
            ],
        ),
        ("idna", &["src/events/address.rs"]),
        ("tokio_rustls", &["src/mail/smtp/wire.rs", "src/tls.rs"]),
        ("rustls_native_certs", &["src/tls.rs"]),
        ("hostname", &["src/mail/smtp/conversation.rs"]),
        ("clap", &["src/cli/"]),
    ];
    for (client, doors) in doors {
        // As a path: names in texts, such as a log filter's, import nothing.
        let imports = |code: &String| [" ", "(", "&", "<"].iter().any(|c| code.contains(&format!("{c}{client}::")));
        let found: Vec<_> = code().into_iter().filter(|(_, code)| imports(code)).map(|(name, _)| name).collect();
        let is_led_through = |name: &&String| doors.iter().any(|door| name.starts_with(door));
        assert_eq!(found.iter().find(|name| !is_led_through(name)), None, "{client}");
        let is_closed = |door: &&&str| !found.iter().any(|name| name.starts_with(**door));
        assert_eq!(doors.iter().find(is_closed), None, "{client}: nobody comes through this door");
    }
}

#[test]
fn only_the_room_of_telemetry_knows_opentelemetry() {
    let imports = |code: &String| code.contains("opentelemetry::") || code.contains("opentelemetry_sdk::");
    let found = code().into_iter().filter(|(name, code)| imports(code) && !name.starts_with("src/telemetry/"));
    assert_none(&found.map(|(name, _)| name).collect::<Vec<_>>());
}
