//! The reserved `_meta` keys (2026-07-28, basic/index): who owns them, how they go on and come off. *Never* touches any other key.

/// The reserved prefix.
pub const PREFIX: &str = "io.modelcontextprotocol/";
/// On every request: the revision.
pub const PROTOCOL_VERSION: &str = "io.modelcontextprotocol/protocolVersion";
/// On every request: what the client can be asked.
pub const CLIENT_CAPABILITIES: &str = "io.modelcontextprotocol/clientCapabilities";
/// On requests: the client's name and version.
pub const CLIENT_INFO: &str = "io.modelcontextprotocol/clientInfo";
/// On requests: the wish for log messages.
pub const LOG_LEVEL: &str = "io.modelcontextprotocol/logLevel";
/// On results: the server's name and version.
pub const SERVER_INFO: &str = "io.modelcontextprotocol/serverInfo";
/// On everything of a `subscriptions/listen` stream: the listen request's id.
pub const SUBSCRIPTION_ID: &str = "io.modelcontextprotocol/subscriptionId";
/// 2025-11-25: the task that a message belongs to.
pub const RELATED_TASK: &str = "io.modelcontextprotocol/related-task";
/// On requests: the wish for progress.
pub const PROGRESS_TOKEN: &str = "progressToken";
