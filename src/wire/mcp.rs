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
/// The server asks the host's model for a message.
pub const SAMPLING: &str = "sampling/createMessage";
/// The server asks the person for input: by a form, or at a URL.
pub const ELICITATION: &str = "elicitation/create";
/// The state of a task, asked for again and again.
pub const TASKS_GET: &str = "tasks/get";
/// The result of a task (2025-11-25).
pub const TASKS_RESULT: &str = "tasks/result";
/// Takes a task back.
pub const TASKS_CANCEL: &str = "tasks/cancel";
/// The server tells the state of a task (2026-07-28, tasks extension), with what it asks of the client.
pub const TASKS_TOLD: &str = "notifications/tasks";
/// Opens a session (until 2025-11-25).
pub const INITIALIZE: &str = "initialize";
/// Asks what a server can do, without a session (2026-07-28).
pub const SERVER_DISCOVER: &str = "server/discover";
/// Asks for the tools.
pub const TOOLS_LIST: &str = "tools/list";
/// Asks whether the other side is there.
pub const PING: &str = "ping";
/// Says how much a client wants to be told (until 2025-11-25).
pub const SET_LEVEL: &str = "logging/setLevel";
/// Takes a request back.
pub const CANCELLED: &str = "notifications/cancelled";

/// Requests of the client that the policy judges.
pub const GOVERNED: &[&str] = &[TOOLS_CALL, RESOURCES_READ, PROMPTS_GET, TASKS_UPDATE];
/// Requests of the server that the policy judges, wherever they stand: in a message of their own, in a result that asks
/// for input, or in an error that asks for a visit to a URL.
pub const ASKED: &[&str] = &[SAMPLING, ELICITATION];
/// JSON-RPC error code: the client has to visit URLs before the call can go on (2025-11-25, URL elicitation).
pub const URL_ELICITATION_REQUIRED: f64 = -32042.0;

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
    SET_LEVEL,
    TASKS_GET,
    TASKS_RESULT,
    "tasks/list",
    TASKS_CANCEL,
    "roots/list",
    "subscriptions/listen",
    SAMPLING,
    ELICITATION,
];

/// Requests of a server that pass: they give nothing away that the client has not offered.
const PASSING_FROM_SERVERS: &[&str] =
    &[PING, "roots/list", TASKS_GET, TASKS_RESULT, "tasks/list", TASKS_CANCEL];

/// Notifications of a server, of every revision.
const TOLD: &[&str] = &[
    CANCELLED,
    TASKS_TOLD,
    "notifications/progress",
    "notifications/message",
    "notifications/resources/updated",
    "notifications/resources/list_changed",
    "notifications/tools/list_changed",
    "notifications/prompts/list_changed",
    "notifications/tasks/status",
    "notifications/elicitation/complete",
    "notifications/subscriptions/acknowledged",
];

/// Kinds of requests that a server sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FromServer {
    /// It passes.
    Passing,
    /// It is for servers to answer, so that no client knows it.
    ForServers,
    /// The policy has a say.
    Judged,
}

/// The revisions of the protocol, oldest first.
pub const REVISIONS: &[&str] = &["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25", REVISION_MODERN];
/// The first revision without a handshake.
pub const REVISION_MODERN: &str = "2026-07-28";
/// The only revision with batches that must be received.
pub const REVISION_BATCHES: &str = "2025-03-26";

/// `_meta` key of the revision that a message speaks (2026-07-28, on each request).
pub const META_PROTOCOL_VERSION: &str = "io.modelcontextprotocol/protocolVersion";
/// `_meta` key of what the client can do (2026-07-28).
pub const META_CLIENT_CAPABILITIES: &str = "io.modelcontextprotocol/clientCapabilities";
/// `_meta` key of what the client says it is (2026-07-28).
pub const META_CLIENT_INFO: &str = "io.modelcontextprotocol/clientInfo";

/// Whether the policy judges a client's requests with this method.
pub fn is_governed(method: &str) -> bool {
    GOVERNED.contains(&method)
}

/// Whether the policy judges a server's requests with this method by name.
pub fn is_asked(method: &str) -> bool {
    ASKED.contains(&method)
}

/// What a request with this method is when a server sends it.
pub fn from_server(method: &str) -> FromServer {
    if PASSING_FROM_SERVERS.contains(&method) {
        FromServer::Passing
    } else if !is_asked(method) && is_known(method) {
        FromServer::ForServers
    } else {
        FromServer::Judged
    }
}

/// Whether a server's notification with this method is one of the protocol's.
pub fn is_told(method: &str) -> bool {
    TOLD.contains(&method)
}

/// Whether a request with this method is one of the protocol's, governed or passing.
pub fn is_known(method: &str) -> bool {
    is_governed(method) || PASSING.contains(&method)
}
