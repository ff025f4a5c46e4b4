//! A service that others run, down for a minute or for a deploy: all wait, nobody is blamed, its return is noticed.

use super::*;

const EVENTS: usize = 500;
const DOWN_AT: Duration = seconds(5);

fn refused() -> HandlerError {
    HandlerError::Unavailable {
        dependency: "receiver",
        detail: "Connection refused at connect".to_owned(),
        outage: Outage::DownElsewhere,
    }
}

/// Away from `DOWN_AT` on for so long; whoever asks meanwhile hears this.
fn away(
    lasting: Duration,
    event_hears: fn() -> HandlerError,
    look_hears: fn() -> Result<(), HandlerError>,
) -> (Receiver, impl Fn(Duration) -> bool + Copy) {
    let is_down = move |now: Duration| (DOWN_AT..DOWN_AT + lasting).contains(&now);
    let receiver = Receiver::with_looks(
        move |_, now| if is_down(now) { Err(event_hears()) } else { Ok(()) },
        move |now| if is_down(now) { look_hears() } else { Ok(()) },
    );
    (receiver, is_down)
}

/// Of 500 events half come before it goes away and in that moment, and half one by one while it is away. A reaction
/// beside it, with a receiver of its own, gets the same.
async fn played(receiver: &Receiver, lasting: Duration) -> (Scene, Scene, Receiver) {
    let other = Receiver::new(|_, _| Ok(()));
    let (scene, beside) = (scene(receiver, 10, 5), scene(&other, 10, 5));
    let send_to_both = |n: usize| {
        for scene in [&scene, &beside] {
            send(&scene.queue.queue, &event(&format!("user-{n}")));
        }
    };
    (0..50).for_each(send_to_both);
    scene.sleep(DOWN_AT - Duration::from_millis(120)).await;
    (50..EVENTS / 2).for_each(send_to_both);
    for n in EVENTS / 2..EVENTS {
        scene.sleep(lasting / (EVENTS as u32 / 2 + 10)).await;
        send_to_both(n);
    }
    scene.emptied().await;
    beside.emptied().await;
    (scene, beside, other)
}

/// All were taken once, none is dead, work began within 3 s of its return, and the reaction beside it did not notice.
async fn assert_nobody_noticed(
    (scene, beside, other): (Scene, Scene, Receiver),
    receiver: &Receiver,
    lasting: Duration,
) -> u64 {
    let (taken, back) = (receiver.taken(), DOWN_AT + lasting);
    assert_eq!(scene.dead().await, []);
    assert!(taken.len() == EVENTS && each_once(&taken), "{} taken", taken.len());
    let first = taken.values().map(|times| times[0]).filter(|at| *at >= DOWN_AT).min().expect("some came later");
    assert!((back..=back + seconds(3)).contains(&first), "back at {back:?}, and noticed at {first:?}");
    let last = taken.values().map(|times| times[0]).max().expect("some");
    assert!(last <= back + seconds(20), "{last:?}");
    assert!(scene.most_receives() <= 2, "{} receives of one event", scene.most_receives());
    let beside = (beside.dead().await, other.taken(), beside.vitals.pauses());
    let waited = other.asked().windows(2).map(|pair| pair[1].1 - pair[0].1).max().expect("some");
    assert!(waited <= seconds(5), "another reaction stood still for {waited:?}");
    assert!(beside.0.is_empty() && beside.1.len() == EVENTS && each_once(&beside.1) && beside.2.is_empty());
    assert_eq!(scene.vitals.pauses().values().sum::<u64>(), 1, "one pause: {:?}", scene.vitals.pauses());
    let count = scene._worker.tally.read();
    count.outcomes.iter().filter(|(name, _)| !["done", "unavailable"].contains(name)).map(|(_, times)| times).sum()
}

#[tokio::test(start_paused = true)]
async fn a_service_of_others_down_for_a_minute_under_500_events_burns_no_attempt_and_its_return_is_noticed_within_3_s()
{
    const OUTAGE: Duration = seconds(60);
    let (receiver, is_down) = away(OUTAGE, refused, || Err(refused()));
    let scenes = played(&receiver, OUTAGE).await;
    assert_eq!(assert_nobody_noticed(scenes, &receiver, OUTAGE).await, 0, "attempts burnt");
    let looks: Vec<_> = receiver.0.looks.lock().unwrap().iter().copied().filter(|at| is_down(*at)).collect();
    let gaps: Vec<_> = looks.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert!((59..=86).contains(&looks.len()) && gaps.iter().all(|gap| *gap <= seconds(1)), "{} {gaps:?}", looks.len());
    let asked = receiver.asked().iter().filter(|(_, at)| is_down(*at)).count();
    assert!(asked <= 10, "{asked} events were tried while it was down: no more than were under way");
}

#[tokio::test(start_paused = true)]
async fn a_deploy_of_ten_seconds_behind_a_proxy_burns_an_attempt_of_two_events_at_most_and_its_end_is_noticed() {
    const DEPLOY: Duration = seconds(10);
    // The proxy takes connections, so looking at it shows nothing.
    let (receiver, is_down) = away(DEPLOY, || HandlerError::Faltering("answered 503".to_owned()), || Ok(()));
    let scenes = played(&receiver, DEPLOY).await;
    let burnt = assert_nobody_noticed(scenes, &receiver, DEPLOY).await;
    assert!(burnt <= 2, "{burnt} attempts burnt");
    let asked = receiver.asked().iter().filter(|(_, at)| is_down(*at)).count();
    assert!(asked <= 10 + 15, "{asked} events were tried while it was down: those under way, and one each second");
}
