//! Conversations as sentences, for a finding's samples.

use jiff::Timestamp;
use model::activity::Conversation;

/// One conversation in a line: when, who, where, how much.
pub(crate) fn sample(conversation: &Conversation) -> String {
    let c = conversation;
    let time =
        Timestamp::from_second(c.first).map_or_else(|_| c.first.to_string(), |t| t.to_string());
    let protocol = crate::names::protocol(c.protocol);
    let port = if c.port == 0 { String::new() } else { format!(":{}", c.port) };
    let verdict = match (c.rejected(), c.answered + c.continued) {
        (0, 0) => ", unanswered".to_owned(),
        (0, _) => String::new(),
        (n, _) => format!(", {n} rejected"),
    };
    let n = c.attempts.max(c.continued);
    let connections = if n == 1 { "connection" } else { "connections" };
    format!(
        "{time} {} -> {}{port}/{protocol}: {n} {connections}{verdict}, {} packets {} bytes out, {} packets {} bytes in",
        c.client.address, c.server.address, c.packets_out, c.bytes_out, c.packets_in, c.bytes_in,
    )
}
