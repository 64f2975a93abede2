//! The methods of MCP, as a closed list.

/// A request's method, in the canonical (modern) vocabulary plus what only legacy has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the wire names below say it")]
pub enum Method {
    Discover,
    ToolsList,
    ToolsCall,
    PromptsList,
    PromptsGet,
    ResourcesList,
    ResourcesTemplatesList,
    ResourcesRead,
    Complete,
    Listen,
    TasksGet,
    TasksUpdate,
    TasksCancel,
    // Legacy only: they end at the edges.
    Initialize,
    Ping,
    SetLevel,
    Subscribe,
    Unsubscribe,
    TasksResult,
    TasksList,
}

/// What a method is for: the one place that sorts them, so that a match over it says only what its own place cares about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// What the other side is and can do.
    Discover,
    /// Reads a list.
    List(Listing),
    /// Calls a tool.
    Tool,
    /// Gets a prompt.
    Prompt,
    /// Reads a resource.
    Resource,
    /// Completes an argument.
    Completion,
    /// Looks at, feeds or cancels a task.
    Task,
    /// Listens for changes.
    Listen,
    /// Legacy only: it ends at an edge.
    Edge,
}

/// The four lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "MCP's own words")]
pub enum Listing {
    Tools,
    Prompts,
    Resources,
    Templates,
}

impl Listing {
    /// The method that reads it.
    pub const fn method(self) -> Method {
        match self {
            Self::Tools => Method::ToolsList,
            Self::Prompts => Method::PromptsList,
            Self::Resources => Method::ResourcesList,
            Self::Templates => Method::ResourcesTemplatesList,
        }
    }

    /// The capability that a server declares for it.
    pub const fn capability(self) -> &'static str {
        match self {
            Self::Tools => "tools",
            Self::Prompts => "prompts",
            Self::Resources | Self::Templates => "resources",
        }
    }

    /// The member of the result that holds it.
    pub const fn member(self) -> &'static str {
        match self {
            Self::Tools => "tools",
            Self::Prompts => "prompts",
            Self::Resources => "resources",
            Self::Templates => "resourceTemplates",
        }
    }
}

impl Method {
    /// What it is for.
    pub const fn kind(self) -> Kind {
        match self {
            Self::Discover => Kind::Discover,
            Self::ToolsList => Kind::List(Listing::Tools),
            Self::PromptsList => Kind::List(Listing::Prompts),
            Self::ResourcesList => Kind::List(Listing::Resources),
            Self::ResourcesTemplatesList => Kind::List(Listing::Templates),
            Self::ToolsCall => Kind::Tool,
            Self::PromptsGet => Kind::Prompt,
            Self::ResourcesRead => Kind::Resource,
            Self::Complete => Kind::Completion,
            Self::TasksGet | Self::TasksUpdate | Self::TasksCancel => Kind::Task,
            Self::Listen => Kind::Listen,
            Self::Initialize
            | Self::Ping
            | Self::SetLevel
            | Self::Subscribe
            | Self::Unsubscribe
            | Self::TasksResult
            | Self::TasksList => Kind::Edge,
        }
    }

    /// Every method.
    pub const ALL: [Self; 20] = [
        Self::Discover,
        Self::ToolsList,
        Self::ToolsCall,
        Self::PromptsList,
        Self::PromptsGet,
        Self::ResourcesList,
        Self::ResourcesTemplatesList,
        Self::ResourcesRead,
        Self::Complete,
        Self::Listen,
        Self::TasksGet,
        Self::TasksUpdate,
        Self::TasksCancel,
        Self::Initialize,
        Self::Ping,
        Self::SetLevel,
        Self::Subscribe,
        Self::Unsubscribe,
        Self::TasksResult,
        Self::TasksList,
    ];

    /// The name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Discover => "server/discover",
            Self::ToolsList => "tools/list",
            Self::ToolsCall => "tools/call",
            Self::PromptsList => "prompts/list",
            Self::PromptsGet => "prompts/get",
            Self::ResourcesList => "resources/list",
            Self::ResourcesTemplatesList => "resources/templates/list",
            Self::ResourcesRead => "resources/read",
            Self::Complete => "completion/complete",
            Self::Listen => "subscriptions/listen",
            Self::TasksGet => "tasks/get",
            Self::TasksUpdate => "tasks/update",
            Self::TasksCancel => "tasks/cancel",
            Self::Initialize => "initialize",
            Self::Ping => "ping",
            Self::SetLevel => "logging/setLevel",
            Self::Subscribe => "resources/subscribe",
            Self::Unsubscribe => "resources/unsubscribe",
            Self::TasksResult => "tasks/result",
            Self::TasksList => "tasks/list",
        }
    }

    /// Reads a wire name, case-sensitively; `None` for anything else.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|m| m.as_str() == text)
    }

    /// Whether 2026-07-28 has this method.
    pub const fn is_modern(self) -> bool {
        match self.kind() {
            Kind::Discover
            | Kind::List(_)
            | Kind::Tool
            | Kind::Prompt
            | Kind::Resource
            | Kind::Completion
            | Kind::Task
            | Kind::Listen => true,
            Kind::Edge => false,
        }
    }

    /// Whether the answer may be `input_required` (basic/patterns/mrtr).
    pub const fn may_ask(self) -> bool {
        matches!(self, Self::ToolsCall | Self::PromptsGet | Self::ResourcesRead)
    }
}
