//! `tollgate init`.

use std::io::Write;
use std::path::PathBuf;

use tollgate::config;

use crate::args::Common;
use crate::printer;
use crate::stop::{Done, Stop};

pub(super) fn run(common: &Common, write: bool, force: bool) -> Done {
    let sample = config::StarterServer {
        alias: "sample".to_owned(),
        reach: config::Reach::Command {
            command: vec![super::this_program()?.display().to_string(), "sample-server".to_owned()],
            env: Vec::new(),
        },
    };
    let text = config::starter_yaml(&[sample]);
    if !write {
        printer::line(text.trim_end());
        printer::note("hint: `tollgate init --write` writes this to tollgate.yaml");
        return Ok(());
    }
    let path = common.config.clone().unwrap_or_else(|| PathBuf::from("tollgate.yaml"));
    let failed = |e: std::io::Error| Stop::failed(format!("cannot write `{}`: {e}", path.display()));
    let mut options = std::fs::OpenOptions::new();
    options.write(true);
    if force {
        options.create(true).truncate(true)
    } else {
        options.create_new(true)
    };
    let mut file = options.open(&path).map_err(|e| {
        if e.kind() == std::io::ErrorKind::AlreadyExists {
            Stop::failed(format!("`{}` exists already", path.display())).hint("`--force` overwrites it")
        } else {
            failed(e)
        }
    })?;
    file.write_all(text.as_bytes()).map_err(failed)?;
    let schema = path.with_file_name("tollgate.schema.json");
    std::fs::write(&schema, config::schema())
        .map_err(|e| Stop::failed(format!("cannot write `{}`: {e}", schema.display())))?;
    printer::line(format_args!("wrote {} and {} (for editors)", path.display(), schema.display()));
    printer::line("next: tollgate check && tollgate up");
    Ok(())
}
