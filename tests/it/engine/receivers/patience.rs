//! "Not now": who waits, for how long, and on how many receives.

use super::*;

#[tokio::test(start_paused = true)]
async fn when_everybody_is_deferred_for_ten_minutes_nobody_dies_and_all_are_out_within_a_minute_of_its_end() {
    const SPELL: Duration = seconds(600);
    let texts: [fn() -> HandlerError; 3] =
        [|| busy("452 4.3.1 at MAIL"), || busy("432 4.3.2 at dot"), || deferred("451 4.7.1 at dot")];
    for (n, text) in texts.into_iter().enumerate() {
        for (events, concurrency, receives) in [(200, 10, 100), (200, 10, 5), (20, 10, 5), (200, 30, 100), (60, 2, 100)]
        {
            let receiver = Receiver::new(move |_, now| if now < SPELL { Err(text()) } else { Ok(()) });
            let scene = scene(&receiver, concurrency, receives);
            send_events(&scene.queue.queue, events);
            scene.sleep(seconds(10)).await;
            assert!(scene.vitals.missing().is_some(), "{:?}", text());
            scene.emptied().await;
            let (what, taken) = (format!("{n}: {events} events, {concurrency} slots"), receiver.taken());
            assert_eq!(scene.dead().await, [], "{what}");
            assert!(taken.len() == events && each_once(&taken), "{what}: {} taken", taken.len());
            let last = taken.values().map(|times| times[0]).max().expect("some");
            assert!(last <= SPELL + seconds(60), "{what}: the last one at {last:?}");
            assert!(scene.most_receives() <= 3, "{what}: {} receives of one event", scene.most_receives());
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_busy_server_costs_an_event_that_is_alone_no_more_receives_than_others() {
    let receiver = Receiver::new(|_, now| if now < seconds(600) { Err(busy("421 4.3.2 at MAIL")) } else { Ok(()) });
    let scene = scene(&receiver, 10, 5);
    send_events(&scene.queue.queue, 1);
    scene.emptied().await;
    assert!(receiver.taken()[&0][0] <= seconds(660), "{:?}", receiver.taken());
    assert!(scene.most_receives() <= 4, "{}", scene.most_receives());
}

#[tokio::test(start_paused = true)]
async fn greylisting_of_half_of_the_recipients_delays_them_alone_and_kills_none() {
    for (receives, within) in [(100, 480), (5, 900)] {
        let first: Mutex<BTreeMap<usize, Duration>> = Mutex::default();
        let receiver = Receiver::new(move |user, now| {
            let since = now - *first.lock().unwrap().entry(user).or_insert(now);
            // Which half, is as chance has it: three of four in a row at times.
            let is_greylisted = (user * 7 + user / 3) % 4 < 2;
            if is_greylisted && since < seconds(300) { Err(deferred("450 4.2.0 at RCPT")) } else { Ok(()) }
        });
        let scene = scene(&receiver, 10, receives);
        send_events(&scene.queue.queue, 40);
        scene.emptied().await;
        let (taken, asked) = (receiver.taken(), receiver.asked());
        assert_eq!(scene.dead().await, []);
        assert!(taken.len() == 40 && each_once(&taken));
        for (user, times) in &taken {
            let first = asked.iter().find(|(of, _)| of == user).expect("asked").1;
            let waited = times[0] - first;
            assert!(
                waited == Duration::ZERO || (seconds(300)..=seconds(within)).contains(&waited),
                "{user}: {waited:?}"
            );
            assert!(first <= seconds(10), "{user} had to wait for others until {first:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_deferral_that_lasts_is_given_up_after_retry_for_with_what_was_said() {
    for (receives, retry_for) in [(100, 24 * 3600), (5, 3600)] {
        let receiver = Receiver::new(|user, _| if user == 0 { Err(deferred("450 4.2.2 at RCPT")) } else { Ok(()) });
        let scene = scene_for(&receiver, 10, receives, seconds(retry_for));
        send_events(&scene.queue.queue, 5);
        scene.emptied().await;
        assert_eq!(scene.dead().await, [("deferred_too_long".to_owned(), "450 4.2.2 at RCPT".to_owned(), 0)]);
        let last = receiver.asked().last().expect("asked").1;
        assert!(last >= seconds(retry_for * 4 / 5) && last <= seconds(retry_for + 60), "{last:?} of {retry_for} s");
    }
}

#[tokio::test(start_paused = true)]
async fn ten_recipients_whose_servers_cannot_be_looked_up_hold_up_ten_others_for_seconds() {
    let receiver = Receiver::new(|user, now| match user {
        0..10 if now < seconds(1200) => Err(deferred("451 4.3.0 at RCPT")),
        _ => Ok(()),
    });
    let scene = scene(&receiver, 10, 100);
    send_events(&scene.queue.queue, 20);
    scene.emptied().await;
    let taken = receiver.taken();
    assert_eq!((scene.dead().await, taken.len()), (vec![], 20));
    assert!((10..20).all(|user| taken[&user][0] <= seconds(10)), "{taken:?}");
}

#[tokio::test(start_paused = true)]
async fn an_event_is_not_tried_before_the_time_that_its_receiver_named_also_when_all_are_deferred() {
    const NAMED: Duration = seconds(1800);
    for events in [3, 20] {
        let first: Mutex<BTreeMap<usize, Duration>> = Mutex::default();
        let receiver = Receiver::new(move |user, now| match first.lock().unwrap().insert(user, now) {
            None => Err(HandlerError::Deferred { detail: "answered 429".to_owned(), at_least: NAMED }),
            Some(_) => Ok(()),
        });
        let scene = scene(&receiver, 10, 100);
        send_events(&scene.queue.queue, events);
        scene.emptied().await;
        let (taken, asked) = (receiver.taken(), receiver.asked());
        assert_eq!((scene.dead().await, taken.len()), (vec![], events));
        for (user, times) in &taken {
            let first = asked.iter().find(|(of, _)| of == user).expect("asked").1;
            assert!((NAMED..=NAMED + seconds(260)).contains(&(times[0] - first)), "{user}: {first:?}, {times:?}");
        }
    }
}
