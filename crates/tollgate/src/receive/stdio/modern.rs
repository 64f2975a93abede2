//! A request of 2026-07-28 on the pipe: its notifications and its answer, as lines.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tollgate_mcp::message::{self, Id};
use tollgate_mcp::method::Method;
use tollgate_mcp::translate;

use super::writer::Lines;
use crate::call::{Arrival, Cancel, Ending, Handle, Next, Reply as _};
use crate::receive::edge;
use crate::receive::legacy::Flight;

/// How long a cancelled walk may take to end before it is dropped.
const CANCEL_GRACE: Duration = Duration::from_secs(5);

/// Answers one request. A cancelled one gets no answer.
pub(super) async fn answer<H: Handle>(
    handle: Arc<H>,
    arrival: Arrival,
    id: Id,
    flight: Flight,
    lines: Lines,
    stop: Cancel,
) {
    let listen = arrival.method == Method::Listen;
    let cancel = flight.canceller.cancel();
    // Ours, not the flight's: a listening stream that we end still says goodbye.
    let walking = crate::call::Canceller::new();
    let mut outgoing = handle.handle(arrival, walking.cancel());
    let ended = async {
        tokio::select! {
            () = cancel.fired() => {}
            () = stop.fired(), if listen => {}
        }
        walking.fire();
        tokio::time::sleep(CANCEL_GRACE).await;
    };
    tokio::pin!(ended);
    loop {
        let next = tokio::select! {
            biased;
            () = &mut ended => return,
            next = outgoing.next() => next,
        };
        match next {
            Next::Last(_) | Next::Part(_) if cancel.is_fired() => {
                if matches!(next, Next::Last(_)) {
                    return;
                }
            }
            Next::Part(part) => {
                if let Some(notification) = edge::modern_notification(&id, listen, part) {
                    lines.send(notification).await;
                }
            }
            Next::Last(last) => return finish(&*handle, &id, listen, last.into_ending(), &lines).await,
        }
    }
}

async fn finish<H: Handle>(handle: &H, id: &Id, listen: bool, ending: Ending, lines: &Lines) {
    let result = match ending {
        Ending::Error(error) => return lines.send(message::write_error(Some(id), &error)).await,
        Ending::Answer(answer) => translate::to_modern(&answer, &handle.server_info()),
    };
    if !listen {
        return lines.send(message::write_result(id, result)).await;
    }
    // basic/patterns/cancellation: a server that ends a subscription on stdio says so first.
    let params =
        [b"{\"requestId\":".as_slice(), id.text(), b",\"reason\":\"the subscription has ended\"}"].concat();
    let cancelled = message::write_notification("notifications/cancelled", Bytes::from(params).into());
    lines.send(cancelled).await;
    lines.send(message::write_result(id, edge::stamp_subscription(result, id))).await;
}
