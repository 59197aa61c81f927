//! The words of the Model Context Protocol: methods, revisions and the `_meta` keys that callgate reads.
//!
//! Refuses to know what any method does. Invariant: a method that is not listed here is unknown, never harmless.

/// Calls a tool.
pub const TOOLS_CALL: &str = "tools/call";
/// Reads a resource by its URI.
pub const RESOURCES_READ: &str = "resources/read";
/// Renders a prompt.
pub const PROMPTS_GET: &str = "prompts/get";
/// Gives a running task more input (2026-07-28, tasks extension).
pub const TASKS_UPDATE: &str = "tasks/update";
/// Opens a session (until 2025-11-25).
pub const INITIALIZE: &str = "initialize";
/// Asks what a server can do, without a session (2026-07-28).
pub const SERVER_DISCOVER: &str = "server/discover";
/// Asks for the tools.
pub const TOOLS_LIST: &str = "tools/list";
/// Asks whether the other side is there.
pub const PING: &str = "ping";
/// Takes a request back.
pub const CANCELLED: &str = "notifications/cancelled";

/// Requests that the policy judges.
pub const GOVERNED: &[&str] = &[TOOLS_CALL, RESOURCES_READ, PROMPTS_GET, TASKS_UPDATE];

/// Requests that pass, of every revision.
const PASSING: &[&str] = &[
    INITIALIZE,
    SERVER_DISCOVER,
    PING,
    TOOLS_LIST,
    "resources/list",
    "resources/templates/list",
    "resources/subscribe",
    "resources/unsubscribe",
    "prompts/list",
    "completion/complete",
    "logging/setLevel",
    "tasks/get",
    "tasks/result",
    "tasks/list",
    "tasks/cancel",
    "roots/list",
    "subscriptions/listen",
    "sampling/createMessage",
    "elicitation/create",
];

/// The revisions of the protocol, oldest first.
pub const REVISIONS: &[&str] = &["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25", REVISION_MODERN];
/// The first revision without a handshake.
pub const REVISION_MODERN: &str = "2026-07-28";
/// The only revision with batches that must be received.
pub const REVISION_BATCHES: &str = "2025-03-26";

/// `_meta` key of the revision that a message speaks (2026-07-28, on each request).
pub const META_PROTOCOL_VERSION: &str = "io.modelcontextprotocol/protocolVersion";
/// `_meta` key of what the client says it is (2026-07-28).
pub const META_CLIENT_INFO: &str = "io.modelcontextprotocol/clientInfo";

/// Whether the policy judges requests with this method.
pub fn is_governed(method: &str) -> bool {
    GOVERNED.contains(&method)
}

/// Whether a request with this method is one of the protocol's, governed or passing.
pub fn is_known(method: &str) -> bool {
    is_governed(method) || PASSING.contains(&method)
}
