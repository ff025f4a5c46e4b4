//! Counts each call to SQS where it leaves this process: SQS bills calls, and those that the SDK makes again too.
//!
//! Enters: a call that is about to be sent, and the answer to it. Leaves: both unchanged, and one more in [`Calls`]. A
//! call that never reached SQS counts too: from here nobody can tell. The bytes are those of the HTTP bodies, a little
//! more than the messages' own, which AWS goes by.

use aws_sdk_sqs::config::interceptors::{
    AfterDeserializationInterceptorContextRef, BeforeTransmitInterceptorContextRef,
};
use aws_sdk_sqs::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::dyn_dispatch_hint;
use aws_smithy_runtime_api::client::orchestrator::Metadata;

use crate::queue::Calls;

/// The calls that a worker makes.
const ACTIONS: [&str; 5] =
    ["ReceiveMessage", "DeleteMessageBatch", "ChangeMessageVisibilityBatch", "SendMessage", "GetQueueAttributes"];
/// In place of any other.
const OTHER: &str = "other";

/// The interceptor that counts.
#[derive(Debug)]
pub(super) struct CountCalls(pub(super) Calls);

/// The counts of a queue that has made no call yet.
pub(super) fn none_yet() -> Calls {
    Calls::of(&ACTIONS)
}

#[dyn_dispatch_hint]
impl Intercept for CountCalls {
    fn name(&self) -> &'static str {
        "CountCalls"
    }

    fn read_before_transmit(
        &self,
        context: &BeforeTransmitInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        call: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let named = call.load::<Metadata>();
        let action = named.and_then(|named| ACTIONS.into_iter().find(|action| *action == named.name()));
        let bytes = context.request().body().bytes().map_or(0, <[u8]>::len);
        self.0.sent(action.unwrap_or(OTHER), bytes);
        Ok(())
    }

    fn read_after_deserialization(
        &self,
        context: &AfterDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        self.0.answered(context.response().body().bytes().map_or(0, <[u8]>::len));
        Ok(())
    }
}
