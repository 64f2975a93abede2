//! Who sees what: a list of a thousand tools asks a thousand times, so only what can settle the answer is evaluated. *Never* sees less
//! in a rule than deciding does, except an error of a permit that another permit makes needless: hiding never replaces deciding.

use super::weigh::Weighed;
use super::{Indices, Policy};
use crate::compile::{Force, Statement};
use crate::request::{Action, Caller, Target};
use crate::source::Effect;

impl Policy {
    /// Whether any arguments could make using `target` allowed or asked: if not, it is not listed to `caller`. Hiding never replaces
    /// deciding.
    pub fn visible(&self, caller: &Caller<'_>, target: &Target<'_>) -> bool {
        let path = target.path();
        let used = target.kind.used_by();
        let actions = [used, Action::See, Action::List];
        let mut found = self.slices.matching(&self.statements, &actions, target.kind, &path, Some(caller));
        found.retain(|index| self.statement(*index).is_some_and(|statement| !statement.shadow));
        let some = |meant: &dyn Fn(&Statement) -> bool| -> Indices {
            let meant = |index: &u32| self.statement(*index).is_some_and(meant);
            found.iter().copied().filter(meant).collect()
        };
        let of = |action: Action, statement: &Statement| statement.scope.actions.action(action);
        let could = self.default == Effect::Ask
            || found.iter().filter_map(|index| self.statement(*index)).any(|statement| {
                of(used, statement)
                    && statement.permits()
                    && (statement.open.is_none() || statement.reads.context())
            });

        // What can refuse every use.
        let firm = some(&|statement| of(used, statement) && !statement.reads.context() && statement.stands());
        let weighed = self.weigh(&firm, caller, used, target, &path);
        if weighed.stands() {
            return false;
        }
        // What can permit one, where that is not known yet.
        if !could && weighed.permits.is_empty() {
            let lenient =
                some(&|statement| of(used, statement) && !statement.reads.context() && !statement.stands());
            let Weighed { permits, errors, .. } = self.weigh(&lenient, caller, used, target, &path);
            if permits.is_empty() || !errors.is_empty() {
                return false;
            }
        }
        [Action::See, Action::List].into_iter().all(|action| {
            let own = some(&|statement| of(action, statement) && statement.forbids());
            own.is_empty() || !self.weigh(&own, caller, action, target, &path).stands()
        })
    }
}

impl Statement {
    /// Whether it may refuse every use of a target: by what it says, or by an error, which shorthand over caller and tool can't make.
    fn stands(&self) -> bool {
        match self.force {
            Force::Forbid => true,
            Force::Permit | Force::Ask(_) => self.words.file.is_some(),
        }
    }
}
