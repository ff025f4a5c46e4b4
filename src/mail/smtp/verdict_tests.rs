//! The table of verdicts: which reply means what, and where.

use super::*;
use Phase::{Auth, Connect, Data, Dot, Ehlo, Greeting, Mail, Rcpt, StartTls};

const PHASES: [Phase; 9] = [Connect, Greeting, Ehlo, StartTls, Auth, Mail, Rcpt, Data, Dot];

/// D, B, N: down, busy, refusing; d: deferred; r: refused; s: suspect; ?: unknown.
fn letter(phase: Phase, heard: Heard) -> char {
    match judge(phase, heard, String::new()) {
        MailError::Unavailable { outage: Outage::Down | Outage::DownElsewhere, .. } => 'D',
        MailError::Unavailable { outage: Outage::Busy, .. } => 'B',
        MailError::Unavailable { outage: Outage::Refusing, .. } => 'N',
        MailError::Deferred { .. } => 'd',
        MailError::Refused { .. } => 'r',
        MailError::Suspect { .. } => 's',
        MailError::Unknown { .. } => '?',
    }
}

#[test]
fn each_phase_and_each_code_is_judged_by_whose_fault_it_is() {
    for phase in PHASES {
        for code in 100..=599 {
            let expected = match (phase, code) {
                (_, 530 | 534 | 535 | 538) | (Auth, 432) => 'N',
                (_, 421 | 432 | 454) => 'B',
                (Connect | Greeting | Ehlo | StartTls | Mail, 400..=499) => 'B',
                (Connect | Greeting | Ehlo | StartTls | Auth, _) => 'N',
                (Mail, 500..=599) => 'N',
                (_, 500..=599) => 's',
                (_, 400..=499) => 'd',
                (Dot, _) => '?',
                (_, _) => 'd',
            };
            assert_eq!(letter(phase, Heard::Code(code, None)), expected, "{code} at {phase}");
            // x.7.1 means policy, so it is never about the recipient's mailbox.
            let policy = Some(Enhanced(code / 100, 7, 1));
            assert_eq!(letter(phase, Heard::Code(code, policy)), expected, "{code} with x.7.1 at {phase}");
        }
    }
}

#[test]
fn no_reply_and_no_clear_reply_are_doubts_only_behind_the_body() {
    let row = |heard| PHASES.map(|phase| letter(phase, heard)).iter().collect::<String>();
    assert_eq!(row(Heard::Nothing), "DDDDDDdd?");
    assert_eq!(row(Heard::Garbled), "NNNNNddd?");
}

#[test]
fn an_enhanced_code_tells_whether_the_recipient_is_meant() {
    let rows = [
        ((5, 1, 1), 'r'),
        ((5, 1, 2), 'r'),
        ((5, 1, 3), 'r'),
        ((5, 1, 4), 'r'),
        ((5, 1, 6), 'r'),
        ((5, 1, 10), 'r'),
        ((5, 1, 0), 's'),
        ((5, 1, 7), 's'),
        ((5, 1, 8), 's'),
        ((5, 1, 20), 's'),
        ((5, 1, 90), 's'),
        ((5, 2, 1), 'r'),
        ((5, 2, 2), 'r'),
        ((5, 2, 0), 's'),
        ((5, 2, 3), 's'),
        ((5, 3, 0), 's'),
        ((5, 7, 1), 's'),
        ((5, 7, 708), 's'),
    ];
    for ((class, subject, detail), expected) in rows {
        let enhanced = Some(Enhanced(class, subject, detail));
        for code in [500, 501, 550, 551, 552, 553, 554, 571] {
            assert_eq!(letter(Rcpt, Heard::Code(code, enhanced)), expected, "{code} {enhanced:?}");
            for later in [Data, Dot] {
                assert_eq!(letter(later, Heard::Code(code, enhanced)), 's', "{code} {enhanced:?} at {later}");
            }
        }
    }
}
