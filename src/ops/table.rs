//! Tables as every command prints them: plain columns that fit 80, no frames, no colour.

use comfy_table::presets::NOTHING;
use comfy_table::{CellAlignment, ContentArrangement, Table};

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
    fn an_age_is_told_in_its_largest_unit() {
        let told = [-5, 59_999, 60_000, 3_599_000, 7_200_000, 1_209_600_000].map(age);
        assert_eq!(told, ["0s", "59s", "1m", "59m", "2h", "14d"]);
    }
}
