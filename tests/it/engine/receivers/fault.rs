//! Whose fault is it: an event's own, or everybody's?

use super::*;

#[tokio::test(start_paused = true)]
async fn eight_bad_recipients_and_one_refusal_hold_up_nobody_and_each_dead_letter_says_the_code() {
    let receiver = Receiver::new(|user, _| match user {
        0..8 => Err(bad_recipient()),
        8 => Err(suspect("554 5.7.1 at dot")),
        _ => Ok(()),
    });
    let scene = scene(&receiver, 10, 5);
    send_events(&scene.queue.queue, 9);
    scene.emptied().await;
    let arrived = receiver.0.started.elapsed();
    (9..14).for_each(|n| send(&scene.queue.queue, &event(&format!("user-{n}"))));
    scene.emptied().await;
    let taken = receiver.taken();
    assert!((9..14).all(|n| taken[&n][0] - arrived <= seconds(2)), "{taken:?} after {arrived:?}");
    let dead = scene.dead().await;
    let said = |user| dead.iter().find(|(.., of)| *of == user).map(|(reason, said, _)| (&reason[..], &said[..]));
    assert!((0..8).all(|n| said(n) == Some(("mail_refused", "501 5.1.3 at RCPT"))), "{dead:?}");
    assert_eq!(said(8), Some(("mail_refused", "554 5.7.1 at dot")));
    assert_eq!(dead.len(), 9);
}

#[tokio::test(start_paused = true)]
async fn when_everybody_is_refused_three_are_dead_at_most_readyz_says_why_and_the_rest_are_sent_once_when_it_ends() {
    const SPELL: Duration = seconds(3600);
    for (text, receives, concurrency) in [
        ("554 at dot", 100, 10),         // Amazon SES: sending paused for this account
        ("550 5.7.708 at dot", 100, 30), // Exchange Online: traffic not accepted from this address
        ("554 5.7.1 at RCPT", 5, 10),    // Postfix: client host rejected
        ("550 5.7.1 at RCPT", 100, 1),   // a block list
        ("553 5.7.1 at RCPT", 20, 10),   // Postfix: sender address rejected
    ] {
        let receiver = Receiver::new(move |_, now| if now < SPELL { Err(suspect(text)) } else { Ok(()) });
        let scene = scene(&receiver, concurrency, receives);
        send_events(&scene.queue.queue, 200);
        scene.sleep(seconds(10)).await;
        let missing = scene.vitals.missing().expect("red within 10 s");
        assert!(missing.contains("paused") && missing.contains(text), "{missing}");
        scene.sleep(SPELL - seconds(20)).await;
        assert!(scene.vitals.missing().is_some(), "red until it ends");
        scene.emptied().await;
        assert_eq!(scene.vitals.missing(), None);
        let (dead, taken) = (scene.dead().await, receiver.taken());
        assert!(dead.len() <= 3 && dead.iter().all(|(reason, said, _)| reason == "mail_refused" && said == text));
        assert!(taken.len() == 200 - dead.len() && each_once(&taken), "{text}: {} taken, {dead:?}", taken.len());
        let probes = receiver.asked().iter().filter(|(_, at)| (seconds(10)..SPELL).contains(at)).count();
        assert!(probes <= 12, "{text}: {probes} tries in an hour");
    }
}

#[tokio::test(start_paused = true)]
async fn an_event_that_the_server_always_cuts_off_stops_the_others_for_one_try_only() {
    // 421 at the dot, whenever this one comes: not everybody's fault, and it says so.
    let receiver = Receiver::new(|user, _| if user == 0 { Err(busy("421 at dot")) } else { Ok(()) });
    let scene = scene_for(&receiver, 10, 100, HOUR);
    send_events(&scene.queue.queue, 1);
    scene.sleep(seconds(1)).await;
    (1..100).for_each(|n| send(&scene.queue.queue, &event(&format!("user-{n}"))));
    scene.sleep(seconds(60)).await;
    let taken = receiver.taken();
    assert!((1..100).all(|n| taken.get(&n).is_some_and(|times| times[0] <= seconds(30))), "{} taken", taken.len());
    scene.emptied().await;
    let dead = scene.dead().await;
    assert!(
        matches!(&dead[..], [(reason, said, 0)] if reason == "deferred_too_long" && said.contains("421 at dot")),
        "{dead:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_wrong_password_is_tried_four_times_in_the_first_minute_and_twelve_in_the_first_hour() {
    let wrong = |_| Err(refusing("535 5.7.8 at AUTH"));
    let receiver = Receiver::with_looks(|_, _| Err(refusing("535 5.7.8 at AUTH")), wrong);
    let scene = scene(&receiver, 10, 100);
    send_events(&scene.queue.queue, 50);
    scene.sleep(HOUR).await;
    let looks = receiver.0.looks.lock().unwrap().clone();
    let asked = receiver.asked();
    let tried =
        |until| looks.iter().filter(|at| **at < until).count() + asked.iter().filter(|(_, at)| *at < until).count();
    assert!(tried(seconds(60)) <= 4 && tried(HOUR) <= 12, "{looks:?} {asked:?}");
    assert_eq!((scene.most_receives(), scene.dead().await), (0, vec![]));
    assert!(scene.vitals.missing().is_some_and(|told| told.contains("535 5.7.8 at AUTH")));
}

#[tokio::test(start_paused = true)]
async fn good_and_bad_in_any_mixture_and_spells_for_everybody_end_each_event_rightly() {
    for seed in 0..60 {
        let mut rng = fastrand::Rng::with_seed(seed);
        let fate: Vec<u32> = (0..120).map(|_| rng.u32(0..10)).collect();
        let from = seconds(rng.u64(0..4));
        let spell = (from, from + seconds(rng.u64(0..400)));
        let kind = rng.u32(0..4);
        let in_spell = move |now: Duration| kind > 0 && (spell.0..spell.1).contains(&now);
        let fates = fate.clone();
        let receiver = Receiver::new(move |user, now| match (fates[user], kind) {
            (0, _) => Err(bad_recipient()),
            (_, 1) if in_spell(now) => Err(suspect("554 5.7.1 at dot")),
            (_, 2) if in_spell(now) => Err(busy("421 at MAIL")),
            (_, 3) if in_spell(now) => Err(deferred("451 at dot")),
            (1..3, _) => Err(suspect("550 5.7.1 at dot")),
            (3, _) if now < seconds(60) => Err(deferred("450 at RCPT")),
            _ => Ok(()),
        });
        let (concurrency, receives) = (rng.usize(1..=20), rng.u32(20..=100));
        let scene = scene_for(&receiver, concurrency, receives, HOUR * 4);
        send_events(&scene.queue.queue, fate.len());
        scene.emptied().await;
        let (taken, dead) = (receiver.taken(), scene.dead().await);
        let dead: BTreeSet<usize> = dead.into_iter().map(|(.., user)| user).collect();
        let is_bad = |user: &usize| fate[*user] < 3;
        let wronged = dead.iter().filter(|user| !is_bad(user)).count();
        assert!(wronged <= 3, "seed {seed}: {wronged} good ones are dead");
        for user in 0..fate.len() {
            assert!(
                taken.contains_key(&user) != dead.contains(&user),
                "seed {seed}: {user} ended as neither or as both"
            );
            assert!(dead.contains(&user) || !is_bad(&user), "seed {seed}: {user} was to be refused");
        }
        assert!(each_once(&taken), "seed {seed}");
        // Nobody waits for the bad ones: without a spell no more than five are refused in a row while it is tried.
        if kind == 0 {
            let last = (0..fate.len()).filter(|user| fate[*user] > 3).map(|user| taken[&user][0]).max().expect("some");
            assert!(last < seconds(60), "seed {seed}: a good one waited until {last:?}");
        }
    }
}
