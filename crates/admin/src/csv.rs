//! Tables for spreadsheets: `format=csv` of a question.

use std::fmt::Write as _;

use crate::answer::Problem;
use crate::window::Query;

/// Is a table asked for? Otherwise it is JSON.
pub(crate) fn is_asked(query: &Query) -> Result<bool, Problem> {
    match query.get("format") {
        None | Some("json") => Ok(false),
        Some("csv") => Ok(true),
        Some(_) => Err(Problem::bad("`format` is json or csv")),
    }
}

/// A table that grows by lines.
pub(crate) struct Table(String);

impl Table {
    /// With the names of its columns, each a plain word.
    pub(crate) fn new<'a>(columns: impl IntoIterator<Item = &'a str>) -> Self {
        let mut table = Self(String::new());
        table.line(columns);
        table
    }

    /// One line of cells that are numbers, or were made by [`cell`].
    pub(crate) fn line<'a>(&mut self, cells: impl IntoIterator<Item = &'a str>) {
        for (at, cell) in cells.into_iter().enumerate() {
            let _ = write!(self.0, "{}{cell}", if at == 0 { "" } else { "," });
        }
        self.0.push('\n');
    }

    /// All of it.
    pub(crate) fn text(self) -> String {
        self.0
    }
}

/// A cell that no spreadsheet takes for a formula.
pub(crate) fn cell(text: &str) -> String {
    let safe = if text.starts_with(['=', '+', '-', '@', '\t', '\r']) { format!("'{text}") } else { text.to_owned() };
    if safe.contains([',', '"', '\n', '\r']) { format!("\"{}\"", safe.replace('"', "\"\"")) } else { safe }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_callers_wrote_is_text_and_stays_in_its_cell() {
        for (text, told) in [
            ("gpt-4o", "gpt-4o"),
            ("=HYPERLINK(\"http://evil\")", "\"'=HYPERLINK(\"\"http://evil\"\")\""),
            ("+1", "'+1"),
            ("-1", "'-1"),
            ("@sum(a1)", "'@sum(a1)"),
            ("\t=1", "'\t=1"),
            ("a,b", "\"a,b\""),
            ("two\nlines", "\"two\nlines\""),
        ] {
            assert_eq!(cell(text), told);
        }
        let mut table = Table::new(["a", "b"]);
        table.line(["1", &cell("x,y")]);
        assert_eq!(table.text(), "a,b\n1,\"x,y\"\n");
    }
}
