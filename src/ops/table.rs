//! Tables and wrapped lines for all commands: they fit 80 columns, or a narrower terminal, without frames and colours.

use comfy_table::presets::NOTHING;
use comfy_table::{CellAlignment, ColumnConstraint, ContentArrangement, Table};

use super::screen;

/// The most characters of a line.
pub(super) const WIDTH: usize = 80;

/// The most characters of a line, here: the terminal may be narrower than [`WIDTH`].
pub(super) fn width() -> usize {
    screen::columns().unwrap_or(WIDTH).min(WIDTH)
}

/// Breaks a text into indented lines. No line is wider than [`width`], unless a single word is.
pub(super) fn wrap(text: &str, indent: usize) -> Vec<String> {
    wrap_to(&screen::spelled(text), indent, width())
}

/// A text after a heading; its further lines are indented to where it begins.
pub(super) fn hanging(heading: &str, text: &str) -> String {
    let indent = heading.chars().count();
    format!("{heading}{}", wrap(text, indent).join("\n").trim_start())
}

/// A text after a heading as [`hanging`] lays it out; in a pipe on one line, however long.
pub(super) fn on_terminal(heading: &str, text: &str) -> String {
    if screen::columns().is_some() { hanging(heading, text) } else { format!("{heading}{text}") }
}

/// The table's text; while it is too wide, without one more of these columns.
pub(super) fn narrow(table: Table, spare: &[usize]) -> String {
    narrow_to(width(), table, spare)
}

/// Like [`narrow`], for this width.
pub(super) fn narrow_to(width: usize, mut table: Table, spare: &[usize]) -> String {
    let is_wide = |table: &Table| table.trim_fmt().lines().any(|line| line.chars().count() > width);
    for n in spare {
        if is_wide(&table)
            && let Some(column) = table.column_mut(*n)
        {
            column.set_constraint(ColumnConstraint::Hidden);
        }
    }
    table.trim_fmt()
}

/// Like [`wrap`], with lines of this width.
pub(super) fn wrap_to(text: &str, indent: usize, width: usize) -> Vec<String> {
    let margin = " ".repeat(indent);
    let mut lines = vec![margin.clone()];
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.len() == indent => line.push_str(word),
            Some(line) if line.chars().count() + 1 + word.chars().count() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(format!("{margin}{word}")),
        }
    }
    lines
}

/// An empty table with this header; the columns named in `numbers` are aligned to the right.
pub(super) fn table<const N: usize>(header: [&str; N], numbers: &[usize]) -> Table {
    let mut table = Table::new();
    table.load_style(NOTHING).set_content_arrangement(ContentArrangement::Disabled).set_header(header);
    for n in numbers {
        if let Some(column) = table.column_mut(*n) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table
}

/// A number with its noun: `1 letter`, `2 letters`.
pub(super) fn counted(n: u64, what: &str) -> String {
    format!("{n} {what}{}", if n == 1 { "" } else { "s" })
}

/// Bytes in the unit that leaves one to four digits: `312 B`, `1.5 KB`, `2.0 GB`; a KB is 1,000 bytes.
pub(super) fn bytes(bytes: f64) -> String {
    let units = ["B", "KB", "MB", "GB", "TB"];
    let power = (0..4).take_while(|n| bytes >= 1000_f64.powi(n + 1)).count();
    let digits = usize::from(power > 0);
    format!("{:.digits$} {}", bytes / 1000_f64.powi(power as i32), units[power])
}

/// How long ago, in its largest unit: `3d`, `7h`, `12m`, `5s`.
pub(super) fn age(millis: i64) -> String {
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
    fn bytes_are_told_in_the_unit_that_fits() {
        let told = [0.0, 312.4, 999.0, 1_540.0, 2e9, 3.21e15].map(bytes);
        assert_eq!(told, ["0 B", "312 B", "999 B", "1.5 KB", "2.0 GB", "3210.0 TB"]);
    }

    #[test]
    fn an_age_is_told_in_its_largest_unit() {
        let told = [-5, 59_999, 60_000, 3_599_000, 7_200_000, 1_209_600_000].map(age);
        assert_eq!(told, ["0s", "59s", "1m", "59m", "2h", "14d"]);
    }
}
