//! Numbers and times in words, for commands and pages.

/// A number with its noun: `1 letter`, `2 letters`.
pub(crate) fn counted(n: u64, what: &str) -> String {
    format!("{n} {what}{}", if n == 1 { "" } else { "s" })
}

/// How long ago, in its largest unit: `3d`, `7h`, `12m`, `5s`.
pub(crate) fn age(millis: i64) -> String {
    match millis.max(0) / 1000 {
        seconds @ 0..60 => format!("{seconds}s"),
        seconds @ 60..3_600 => format!("{}m", seconds / 60),
        seconds @ 3_600..86_400 => format!("{}h", seconds / 3_600),
        seconds => format!("{}d", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_never_several() {
        assert_eq!([0, 1, 2].map(|n| counted(n, "letter")), ["0 letters", "1 letter", "2 letters"]);
    }

    #[test]
    fn an_age_is_told_in_its_largest_unit() {
        let told = [-5, 59_999, 60_000, 3_599_000, 7_200_000, 1_209_600_000].map(age);
        assert_eq!(told, ["0s", "59s", "1m", "59m", "2h", "14d"]);
    }
}
