//! Connections: kept, used again, closed as a server expects it; and how often a password is tried.

use futures_util::StreamExt;
use futures_util::future::join_all;
use futures_util::stream;

use super::*;
use crate::world::eventually;

#[tokio::test]
async fn the_right_password_sends_and_a_wrong_one_is_nobodys_mails_fault() {
    let server = SmtpServer::start().await;
    server.require_auth("user", "p@ss");
    let url = |password: &str| server.url().replace("smtp://", &format!("smtp://user:{password}@"));
    assert_eq!(Client::new(&url("p%40ss"), SECOND * 5).send("u").await, "done");
    let wrong = Client::new(&url("wrong"), SECOND * 5);
    assert_eq!(wrong.send("v").await, "unavailable");
    assert_eq!(wrong.failures()[0], "Refusing: 535 at AUTH");
    assert_eq!(server.accepted().len(), 1);
}

#[tokio::test]
async fn ten_mails_at_once_with_a_wrong_password_make_one_login() {
    let server = SmtpServer::start().await;
    server.require_auth("user", "right");
    let client = Client::new(&server.url().replace("//", "//user:wrong@"), SECOND * 5);
    // Straight to the mailer: the bus would try again, and each try is a login of its own.
    let opened = join_all((0..10).map(|_| client.mailer.probe())).await;
    assert!(opened.iter().all(|opened| format!("{opened:?}").contains("535")), "{opened:?}");
    assert_eq!(server.count("AUTH"), 1);
    assert!(client.mailer.probe().await.is_err());
    assert_eq!(server.count("AUTH"), 2, "whoever comes later tries anew");
}

#[tokio::test]
async fn mails_in_a_row_share_a_connection_and_one_closed_while_idle_costs_no_mail() {
    let server = SmtpServer::start().await;
    let client = Client::new(&server.url(), SECOND * 5);
    for user in ["first", "second", "third"] {
        assert_eq!(client.send(user).await, "done");
    }
    assert_eq!((server.accepted().len(), server.connections()), (3, 1));

    let port = server.port();
    server.stop().await;
    let server = SmtpServer::start_on(port).await;
    assert_eq!(client.send("fourth").await, "done");
    assert_eq!((server.accepted().len(), server.connections()), (1, 1));
}

#[tokio::test]
async fn a_connection_on_which_a_mail_was_refused_carries_the_next_one() {
    let server = SmtpServer::start().await;
    let client = Client::new(&server.url(), SECOND * 5);
    let at = [Phase::Rcpt, Phase::Data, Phase::Dot];
    for (n, at) in at.into_iter().enumerate() {
        server.script_for(&address(&format!("refused{n}")), vec![reply(at, 550)]);
        assert_eq!(client.send(&format!("before{n}")).await, "done");
        assert_eq!(client.send(&format!("refused{n}")).await, "permanent");
        assert_eq!(client.send(&format!("after{n}")).await, "done");
    }
    assert_eq!((server.accepted().len(), server.connections(), server.count("RSET")), (6, 1, 3));
}

#[tokio::test]
async fn a_clear_no_on_a_kept_connection_is_an_answer_and_a_goodbye_is_none() {
    let server = SmtpServer::start().await;
    let client = Client::new(&server.url(), SECOND * 5);
    assert_eq!(client.send("first").await, "done");
    server.script(reply(Phase::Mail, 452));
    assert_eq!(client.send("second").await, "unavailable");
    assert_eq!(client.failures()[0], "Busy: 452 at MAIL");
    let connections = server.connections();
    server.script(Reaction::Accept);
    assert_eq!(client.send("third").await, "done");
    assert_eq!((connections, server.connections()), (1, 1));

    // 421 ends the kept one; the fresh one is told the same, and that is the answer.
    server.script(reply(Phase::Mail, 421));
    assert_eq!(client.send("fourth").await, "unavailable");
    assert_eq!(client.failures()[0], "Busy: 421 at MAIL");
    assert!(server.connections() >= 2);
}

/// Three hundred mails, so many at once: how many connections they took, and how many ended by QUIT.
async fn three_hundred(at_once: usize, pipelining: bool) -> (usize, usize) {
    let server = SmtpServer::start().await;
    if pipelining {
        server.offer(&["PIPELINING"]);
    }
    let client = Client::new(&server.url(), SECOND * 8);
    let users: Vec<String> = (0..300).map(|n| format!("u{n}")).collect();
    let sent = stream::iter(&users).map(|user| client.send(user)).buffer_unordered(at_once);
    assert!(sent.all(async |outcome| outcome == "done").await, "{:?}", client.failures());
    client.close().await;
    assert_eq!(server.accepted().len(), 300);
    (server.connections(), server.count("QUIT"))
}

#[tokio::test]
async fn as_many_connections_are_opened_as_mails_go_out_at_once_and_each_ends_by_quit() {
    for (at_once, most) in [(10, 12), (30, 32)] {
        for pipelining in [false, true] {
            let (opened, quit) = three_hundred(at_once, pipelining).await;
            println!("300 mails, {at_once} at once, pipelining {pipelining}: {opened} connections, {quit} QUIT");
            assert!(opened <= most && quit == opened, "{opened} opened, {quit} ended by QUIT");
        }
    }
}

#[tokio::test]
async fn a_connection_that_idles_is_closed_by_quit_and_a_probe_leaves_no_more_than_were_in_use() {
    let server = SmtpServer::start().await;
    let client = Client::new(&server.url(), SECOND * 5);
    for _ in 0..3 {
        assert_eq!(client.mailer.probe().await, Ok(()));
    }
    assert_eq!((server.connections(), server.count("QUIT")), (3, 2));
    assert_eq!(client.send("u").await, "done");
    assert_eq!(server.connections(), 3);
    // Half a minute passes at once; then the answer to QUIT is waited for in the server's time.
    tokio::time::pause();
    tokio::time::advance(SECOND * 31).await;
    tokio::time::resume();
    eventually("QUIT after it idled", SECOND * 5, async || (server.count("QUIT") == 3).then_some(())).await;
}
