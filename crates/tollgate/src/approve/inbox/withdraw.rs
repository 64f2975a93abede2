//! A question whose call was given up.

use std::sync::Arc;

use super::{Inbox, Standing, blocking};
use crate::store::StoreError;

impl Inbox {
    /// Ends a question that still waits, as if its time were over; `false` = it did not wait any more. On the medium when it returns.
    pub async fn withdraw(self: &Arc<Self>, id: &str) -> Result<bool, StoreError> {
        let (inbox, id) = (Arc::clone(self), id.to_owned());
        blocking(move || {
            let now = inbox.clock.now_ms();
            let done = inbox.store.answer_question(&id, |mut row| {
                if Standing::read(&row.state, row.expires_ms, now) != Standing::Pending {
                    return Err(());
                }
                row.expires_ms = now;
                Ok((row, None))
            })?;
            inbox.reload()?;
            Ok(matches!(done, Some(Ok(_))))
        })
        .await
    }
}
