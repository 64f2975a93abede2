//! `tollgate init --labels`.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use tollgate::inspect::Suggestion;

use crate::args::Common;
use crate::printer;
use crate::stop::{Done, Stop};

use super::{gateway_inside, load, runtime};

pub(super) fn run(common: &Common) -> Done {
    let (config, _) = load(common)?;
    let suggestions = runtime()?.block_on(async {
        let gateway = gateway_inside(config).await?;
        let suggestions = gateway.gate.suggested_labels().await;
        gateway.drain().await;
        Ok::<_, Stop>(suggestions)
    })?;
    if common.json {
        for suggestion in &suggestions {
            printer::line(serde_json::to_string(suggestion).map_err(|e| Stop::failed(e.to_string()))?);
        }
        return Ok(());
    }
    if suggestions.is_empty() {
        printer::note("no tool without labels says by its annotations that it reads or writes outside");
        return Ok(());
    }
    printer::line(yaml(&suggestions).trim_end());
    printer::note(
        "hint: annotations are a server's own word: read them before you take them over into tollgate.yaml",
    );
    Ok(())
}

/// What goes into the configuration.
fn yaml(suggestions: &[Suggestion]) -> String {
    let mut servers: BTreeMap<&str, Vec<&Suggestion>> = BTreeMap::new();
    for suggestion in suggestions {
        servers.entry(&suggestion.server).or_default().push(suggestion);
    }
    let mut text = String::from("servers:\n");
    for (server, tools) in servers {
        // Writing into a `String` cannot fail.
        write!(text, "  {server}:\n    tools:\n      override:\n").unwrap_or_default();
        for tool in tools {
            let name = serde_json::Value::from(tool.tool.as_str());
            writeln!(text, "        {name}: {{ labels: [{}] }}", tool.labels.join(", ")).unwrap_or_default();
        }
    }
    text
}
