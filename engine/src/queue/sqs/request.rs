//! Removes headers that the SDK adds to each call to SQS and that nobody needs.
//!
//! Enters: a call, before it is sent. Leaves: the same call without the headers that only AWS's statistics read: the
//! SDK's long user agent (built again for each call), a random id, the number of the try. They were measured: a tenth
//! of a call's CPU. A short user agent of our own is sent instead. All operations are treated alike.

use aws_runtime::invocation_id::InvocationIdInterceptor;
use aws_runtime::request_info::RequestInfoInterceptor;
use aws_runtime::user_agent::UserAgentInterceptor;
use aws_sdk_sqs::config::interceptors::{
    BeforeSerializationInterceptorContextRef, BeforeTransmitInterceptorContextMut,
};
use aws_sdk_sqs::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::{disable_interceptor, dyn_dispatch_hint};

/// Our name and the SDK's, for whoever reads an access log.
const USER_AGENT: &str = concat!("user-events/", env!("CARGO_PKG_VERSION"), " aws-sdk-rust");
const WHY: &str = "nobody but statistics reads its header";

/// The interceptor that does it. For a worker's clients, which make many calls; operators' clients do without it.
#[derive(Debug)]
pub(super) struct FewHeaders;

#[dyn_dispatch_hint]
impl Intercept for FewHeaders {
    fn name(&self) -> &'static str {
        "FewHeaders"
    }

    fn read_before_execution(
        &self,
        _: &BeforeSerializationInterceptorContextRef<'_>,
        call: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let state = call.interceptor_state();
        state.store_put(disable_interceptor::<UserAgentInterceptor>(WHY));
        state.store_put(disable_interceptor::<InvocationIdInterceptor>(WHY));
        state.store_put(disable_interceptor::<RequestInfoInterceptor>(WHY));
        Ok(())
    }

    fn modify_before_signing(
        &self,
        context: &mut BeforeTransmitInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        context.request_mut().headers_mut().insert("user-agent", USER_AGENT);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use aws_sdk_sqs::config::{BehaviorVersion, Credentials, Region};
    use aws_sdk_sqs::{Client, Config};
    use tokio::io::AsyncReadExt;
    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn a_call_is_signed_and_says_who_we_are_and_has_no_header_for_statistics_alone() {
        let server = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let config = Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("us-east-1"))
            .credentials_provider(Credentials::new("id", "key", None, None, "test"))
            .endpoint_url(format!("http://{}", server.local_addr().expect("an address")))
            .interceptor(FewHeaders);
        let call = tokio::spawn(Client::from_conf(config.build()).list_queues().send());
        let (mut connection, _) = server.accept().await.expect("a call");
        let (mut asked, mut piece) = (String::new(), [0; 4096]);
        while !asked.contains("\r\n\r\n") {
            let read = connection.read(&mut piece).await.expect("a request");
            assert_ne!(read, 0, "the call ended within its head: {asked}");
            asked.push_str(&String::from_utf8_lossy(&piece[..read]).to_lowercase());
        }
        call.abort();
        assert!(asked.contains("\r\nuser-agent: user-events/"), "{asked}");
        assert!(asked.contains("\r\nauthorization: aws4-hmac-sha256"), "{asked}");
        for header in ["amz-sdk-invocation-id", "amz-sdk-request", "x-amz-user-agent"] {
            assert!(!asked.contains(header), "{header}: {asked}");
        }
    }
}
