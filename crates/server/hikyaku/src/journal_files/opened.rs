//! The fields of the engine's own record: who opened the journal, under which names and policies.

use engine::{Opened, OpenedPolicy};
use serde_json::{Map, Value, json};

/// Each by its name.
pub(super) fn fields(opened: &Opened) -> [(&'static str, Value); 8] {
    let names = opened.names.iter().map(|name| {
        let key = format!("{} {:08x}", name.kind, name.number);
        (key, json!(name.slug))
    });
    [
        ("partitions", json!(opened.partitions)),
        ("data_id", json!(format!("{:016x}", opened.data_id))),
        ("names", Value::Object(names.collect::<Map<_, _>>())),
        ("config_version", json!(opened.config_version)),
        ("valid_for_ms", json!(opened.valid_for_ms)),
        ("policies", opened.policies.iter().map(policy).collect()),
        ("inbound_expired_at", json!(opened.inbound_expired_at)),
        ("written_end", json!(opened.written_end)),
    ]
}

fn policy(policy: &OpenedPolicy) -> Value {
    let order = |number: &u32| match number {
        1 => json!("resend_once"),
        2 => json!("await_receipt"),
        3 => json!("fail"),
        newer => json!(newer),
    };
    json!({
        "carrier": format!("{:08x}", policy.carrier),
        "attempts_max": policy.attempts_max,
        "delay_ms": policy.delay_ms,
        "delay_max_ms": policy.delay_max_ms,
        "on_uncertain": policy.on_uncertain.iter().map(order).collect::<Value>(),
        "uncertain_after_ms": policy.uncertain_after_ms,
        "uncertain_deadline_ms": policy.uncertain_deadline_ms,
        "receipt_deadline_ms": policy.receipt_deadline_ms,
    })
}
