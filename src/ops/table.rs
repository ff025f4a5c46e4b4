//! Tables and wrapped lines for all commands: they fit 80 columns, or a narrower terminal, without frames and colours.

use comfy_table::presets::NOTHING;
use comfy_table::{CellAlignment, ColumnConstraint, ContentArrangement, Table};

use super::screen;
pub(super) use crate::words::{age, counted};

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

/// The same text in lines of this width: what follows a line's heading (the spaces it begins with, or a word with two
/// spaces after it) stays behind it.
pub(super) fn folded(text: &str, width: usize) -> String {
    let fold = |line: &str| {
        if line.chars().count() <= width {
            return line.to_owned();
        }
        let margin = line.len() - line.trim_start().len();
        let gap = line[margin..].find("  ").map(|at| margin + at);
        let behind = gap.map(|at| line.len() - line[at..].trim_start().len());
        // A heading that would leave little room has a line of its own.
        let (heading, indent) = match (gap, behind) {
            (Some(_), Some(behind)) if line[..behind].chars().count() <= width / 2 => (&line[..behind], behind),
            (Some(at), Some(_)) => (&line[..at], margin + 4),
            _ => (&line[..margin], margin),
        };
        let lines = wrap_to(&line[heading.len()..], indent, width).join("\n");
        if heading.len() == indent { format!("{heading}{}", lines.trim_start()) } else { format!("{heading}\n{lines}") }
    };
    text.lines().map(fold).collect::<Vec<_>>().join("\n")
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

/// Bytes in the unit that leaves one to four digits: `312 B`, `1.5 KB`, `2.0 GB`; a KB is 1,000 bytes.
pub(super) fn bytes(bytes: f64) -> String {
    let units = ["B", "KB", "MB", "GB", "TB"];
    let power = (0..4).take_while(|n| bytes >= 1000_f64.powi(n + 1)).count();
    let digits = usize::from(power > 0);
    format!("{:.digits$} {}", bytes / 1000_f64.powi(power as i32), units[power])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_folded_behind_its_heading() {
        let help = "Usage: x [OPTIONS]\n\n      --rate <N>  So many letters a second at most\n  -a-long-heading-of-some-words  For nobody";
        let lines = [
            "Usage: x [OPTIONS]",
            "",
            "      --rate <N>  So many letters a",
            "                  second at most",
            "  -a-long-heading-of-some-words",
            "      For nobody",
        ];
        assert_eq!(folded(help, 38), lines.join("\n"));
        assert_eq!(
            folded("     12  sealed for a reason that is long\nshort", 30),
            "     12  sealed for a reason\n         that is long\nshort"
        );
        assert_eq!(folded("no letter has an id that begins with x", 20), "no letter has an id\nthat begins with x");
        assert_eq!(folded("a\n", 20), "a");
    }

    #[test]
    fn bytes_are_told_in_the_unit_that_fits() {
        let told = [0.0, 312.4, 999.0, 1_540.0, 2e9, 3.21e15].map(bytes);
        assert_eq!(told, ["0 B", "312 B", "999 B", "1.5 KB", "2.0 GB", "3210.0 TB"]);
    }
}
