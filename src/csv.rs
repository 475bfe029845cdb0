//! Cells of CSV that a spreadsheet takes for what they are: text, not formulas.

/// Text as text: what a spreadsheet would take for a formula begins with an apostrophe.
pub(crate) fn text(cell: &str) -> String {
    let is_formula = cell.starts_with(['=', '+', '-', '@', '＝', '＋', '－', '＠']);
    if is_formula { quoted(&format!("'{cell}")) } else { quoted(cell) }
}

/// A cell within quotes where it needs them.
pub(crate) fn quoted(cell: &str) -> String {
    if cell.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", cell.replace('"', "\"\""))
    } else {
        cell.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formulas_are_text_and_numbers_stay_numbers() {
        assert_eq!(text("=cmd|' /C calc'!A0"), "'=cmd|' /C calc'!A0");
        assert_eq!(text("@SUM(1,2)"), "\"'@SUM(1,2)\"");
        assert_eq!(text("-"), "'-");
        assert_eq!(text("a,\"b\""), "\"a,\"\"b\"\"\"");
        assert_eq!(quoted("-5"), "-5");
        assert_eq!(text("10.0.0.1"), "10.0.0.1");
    }
}
