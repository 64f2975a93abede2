//! `tollgate policy`.

use crate::args::{Common, PolicyCommand};
use crate::printer;
use crate::stop::Done;

use super::{cases, check, load};

pub(super) fn run(common: &Common, what: &PolicyCommand) -> Done {
    let (config, _) = load(common)?;
    let policy = check::policy(&config)?;
    match what {
        PolicyCommand::Test { folder } => cases::run(&config, policy, folder),
        PolicyCommand::Show => {
            printer::line(policy.show().trim_end());
            Ok(())
        }
    }
}
