//! What HTTP/2 says of a request that gets no answer, by a server that writes its frames by hand.

use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

use super::*;

const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
/// What a client sends before its first frame.
const PREFACE: usize = 24;

fn frame(kind: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("a length").to_be_bytes();
    [&length[1..], &[kind, 0], &stream.to_be_bytes(), payload].concat()
}

/// Has a frame of this kind come?
fn has(read: &[u8], kind: u8) -> bool {
    let mut rest = read.get(PREFACE..).unwrap_or_default();
    while let [a, b, c, found, _, _, _, _, _, tail @ ..] = rest {
        if *found == kind {
            return true;
        }
        rest = tail.get(u32::from_be_bytes([0, *a, *b, *c]) as usize..).unwrap_or_default();
    }
    false
}

/// A request whose stream the server resets with this code.
async fn reset_with(code: u32) -> Lost {
    let (ours, mut theirs) = duplex(MOST);
    let _server = AbortOnDropHandle::new(tokio::spawn(async move {
        theirs.write_all(&frame(SETTINGS, 0, &[])).await.expect("written");
        let mut read = Vec::new();
        while !has(&read, HEADERS) {
            assert_ne!(theirs.read_buf(&mut read).await.expect("read"), 0, "the client has gone");
        }
        theirs.write_all(&frame(RST_STREAM, 1, &code.to_be_bytes())).await.expect("written");
        while theirs.read_buf(&mut read).await.is_ok_and(|read| read > 0) {}
    }));
    let mut connection = greeted(ours, true).await.expect("HTTP/2");
    let request = Request::post("https://crm.internal/").body(Full::new(Bytes::from_static(b"{}")));
    connection.send(request.expect("a request")).await.expect_err("no answer")
}

#[tokio::test]
async fn a_request_that_an_http_2_server_refused_to_begin_was_not_sent_and_any_other_reset_is_unknown() {
    const INTERNAL_ERROR: u32 = 2;
    const REFUSED_STREAM: u32 = 7;
    assert_eq!(reset_with(REFUSED_STREAM).await, Lost::Unsent);
    assert!(matches!(reset_with(INTERNAL_ERROR).await, Lost::Unknown(_)));
}
