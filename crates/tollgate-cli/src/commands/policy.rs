//! `tollgate policy`.

use tollgate::gateway;

use crate::args::{Common, PolicyCommand};
use crate::printer;
use crate::stop::{Done, Stop};

use super::{absent, load};

pub(super) fn run(common: &Common, what: &PolicyCommand) -> Done {
    let (config, _) = load(common)?;
    match what {
        PolicyCommand::Test { .. } => {
            Err(absent("policy test", "`tollgate tools --as AGENT` shows each tool's verdict"))
        }
        PolicyCommand::Show => {
            let policy = gateway::compile(&config).map_err(|problems| {
                for problem in &problems {
                    printer::note(format_args!("line {}: {problem}", problem.line));
                }
                Stop::failed("the policy has problems").hint("`tollgate check` shows every problem")
            })?;
            printer::line(policy.show().trim_end());
            Ok(())
        }
    }
}
