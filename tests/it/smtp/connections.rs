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
async fn a_no_to_a_further_mail_of_a_connection_counts_only_if_a_fresh_one_hears_it_too() {
    for code in [452, 550, 421] {
        let server = SmtpServer::start().await;
        let client = Client::new(&server.url(), SECOND * 5);
        assert_eq!(client.send("first").await, "done");
        server.script(reply(Phase::Mail, code));
        assert_eq!(client.send("second").await, "unavailable");
        assert!(client.failures()[0].ends_with(&format!("{code} at MAIL")));
        assert!(server.connections() >= 2, "{code}");
        // No connection that has heard it is kept.
        let (begun, ended) = (server.connections(), server.count("QUIT"));
        assert_eq!(begun, ended, "{code}");
        server.script(Reaction::Accept);
        assert_eq!(client.send("third").await, "done");
        assert_eq!(server.connections(), begun + 1, "{code}");
    }
}

#[tokio::test]
async fn a_server_that_takes_three_mails_on_a_connection_gets_the_next_on_another() {
    for then in ["452 4.5.3 Too many messages sent", "421 4.7.0 too many", "550 5.7.1 too many", "530 5.7.0 AUTH first"]
    {
        for keywords in [&["PIPELINING"][..], &[]] {
            let server = SmtpServer::start().await;
            server.offer(keywords);
            server.take_on_one_connection(3, then);
            let client = Client::new(&server.url(), SECOND * 5);
            for n in 0..7 {
                assert_eq!(client.send(&format!("u{n}")).await, "done", "{then}: {:?}", client.failures());
            }
            assert_eq!((server.accepted().len(), server.connections()), (7, 3), "{then}");
            assert!(client.failures().is_empty(), "{then}");
        }
    }
}

#[tokio::test]
async fn where_a_server_allows_two_connections_at_once_ten_mails_share_them_and_none_is_put_off() {
    let server = SmtpServer::start().await;
    server.take_at_once(2);
    let client = Client::new(&server.url(), SECOND * 5);
    assert_eq!(client.send("first").await, "done");
    let users: Vec<String> = (0..40).map(|n| format!("u{n}")).collect();
    let sent = stream::iter(&users).map(|user| client.send(user)).buffer_unordered(10);
    assert!(sent.all(async |outcome| outcome == "done").await, "{:?}", client.failures());
    assert_eq!((server.accepted().len(), client.failures()), (41, vec![]));
    // With both of them idle, the question whether the server is there is no third.
    assert_eq!(client.mailer.probe().await, Ok(()));
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
