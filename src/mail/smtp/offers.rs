//! What a server offers: the lines of its reply to EHLO.
//!
//! Enters: the reply. Leaves: the offers that we use. Keywords may be in any case; AUTH may have its old form `AUTH=`.
//! Pure.

use super::reply::Reply;

/// The offers of a server that we use. A server that was greeted by HELO offers nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Offers {
    pub(crate) starttls: bool,
    pub(crate) pipelining: bool,
    pub(crate) eight_bit: bool,
    pub(crate) beyond_ascii: bool,
    pub(crate) plain: bool,
    pub(crate) login: bool,
    pub(crate) xoauth2: bool,
}

impl Offers {
    pub(crate) fn of(reply: &Reply) -> Self {
        let mut offers = Self::default();
        // The first line is the server's name.
        for line in reply.lines().skip(1) {
            let line = line.to_ascii_uppercase();
            let mut words = line.split([' ', '\t', '=']).filter(|word| !word.is_empty());
            match words.next() {
                Some("STARTTLS") => offers.starttls = true,
                Some("PIPELINING") => offers.pipelining = true,
                Some("8BITMIME") => offers.eight_bit = true,
                Some("SMTPUTF8") => offers.beyond_ascii = true,
                Some("AUTH") => words.for_each(|mechanism| match mechanism {
                    "PLAIN" => offers.plain = true,
                    "LOGIN" => offers.login = true,
                    "XOAUTH2" => offers.xoauth2 = true,
                    _ => {}
                }),
                _ => {}
            }
        }
        offers
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::smtp::reply::Parser;

    fn offers(reply: &[u8]) -> Offers {
        Offers::of(&Parser::default().take(reply).expect("short").1.expect("whole"))
    }

    #[test]
    fn keywords_are_read_in_any_case_and_auth_in_both_its_forms() {
        let all = offers(
            b"250-PIPELINING\r\n250-starttls\r\n250-Pipelining\n250-8bitmime\r\n250-SMTPUTF8\r\n250 auth plain Login\r\n",
        );
        let known = Offers { xoauth2: false, ..all.clone() };
        assert!(all == known && all.starttls && all.pipelining && all.eight_bit && all.beyond_ascii);
        assert!(all.plain && all.login);
        assert!(offers(b"250-mail.example\r\n250 AUTH=LOGIN XOAUTH2\r\n").login);
        assert!(offers(b"250-mail.example\r\n250-AUTH PLAIN\r\n250 AUTH=LOGIN XOAUTH2\r\n").xoauth2);
        assert_eq!(offers(b"250 PIPELINING\r\n"), Offers::default(), "a name, not an offer");
        assert_eq!(offers(b"250-n\r\n250-XSTARTTLS\r\n250 SIZE 1000 AUTH PLAIN\r\n"), Offers::default());
    }
}
