//! The table of rooms in `docs/ARCHITECTURE.md`, read as law.

use std::collections::BTreeSet;

/// One row: a room and what it may reach.
pub(crate) struct Row {
    /// The room: a package's name without `via-`.
    pub(crate) room: String,
    /// Words and cores may name little.
    pub(crate) is_pure: bool,
    /// Rooms it may import.
    pub(crate) imports: BTreeSet<String>,
    /// Outside packages it may name.
    pub(crate) names: BTreeSet<String>,
    /// Those of them that no other room of the node may name.
    pub(crate) owns: BTreeSet<String>,
}

/// The law.
pub(crate) struct Table {
    /// One row per room.
    pub(crate) rows: Vec<Row>,
    /// Packages that every room may name.
    pub(crate) free_to_all: BTreeSet<String>,
    /// Packages that every room but words and cores may name.
    pub(crate) free_to_impure: BTreeSet<String>,
}

impl Table {
    /// Reads the table `| layer | room | owns | may import | may name |` and
    /// the two lists `Free to all rooms:` and `Free to all but words and cores:`.
    pub(crate) fn parse(page: &str) -> Result<Self, String> {
        let is_head = |line: &&str| cells(line).get(1) == Some(&"room");
        let rows: Result<Vec<Row>, String> = page
            .lines()
            .skip_while(|line| !is_head(line))
            .skip(2)
            .take_while(|line| line.starts_with('|'))
            .map(row)
            .collect();
        let free = |start: &str| {
            let line = page.lines().find(|line| line.starts_with(start));
            line.map(all).ok_or_else(|| format!("no line starts with {start:?}"))
        };
        let rows = rows?;
        if rows.is_empty() {
            return Err("no table has a second column called `room`".into());
        }
        Ok(Self {
            rows,
            free_to_all: free("Free to all rooms:")?,
            free_to_impure: free("Free to all but words and cores:")?,
        })
    }

    /// Returns the row of a room.
    pub(crate) fn row(&self, room: &str) -> Option<&Row> {
        self.rows.iter().find(|row| row.room == room)
    }
}

fn cells(line: &str) -> Vec<&str> {
    line.trim().trim_matches('|').split('|').map(str::trim).collect()
}

fn row(line: &str) -> Result<Row, String> {
    let cells = cells(line);
    let [layer, room, _, imports, names] = cells[..] else {
        return Err(format!("not five cells: {line}"));
    };
    Ok(Row {
        room: room.trim_matches('`').to_owned(),
        is_pure: matches!(layer, "words" | "core"),
        imports: all(imports),
        names: all(names),
        owns: quoted(names).filter(|(_, bold)| *bold).map(|(word, _)| word).collect(),
    })
}

fn all(text: &str) -> BTreeSet<String> {
    quoted(text).map(|(word, _)| word).collect()
}

/// Returns the words in backticks, and whether each is bold.
fn quoted(text: &str) -> impl Iterator<Item = (String, bool)> {
    let parts: Vec<&str> = text.split('`').collect();
    let words: Vec<(String, bool)> = parts
        .windows(2)
        .step_by(2)
        .map(|pair| (pair[1].to_owned(), pair[0].ends_with("**")))
        .collect();
    words.into_iter()
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) const SAMPLE: &str = "\
| layer | room | owns | may import | may name |
|---|---|---|---|---|
| words | `types` | words | — | `bytemuck` |
| core | `engine` | what is odd | `types` | `libm` |
| driver | `storage` | bytes | `types` | **`sled`**, `rustix` |
| wiring | `node` | order | `types`, `storage` | `clap` |

Free to all rooms: `serde`.
Free to all but words and cores: `tokio`, `tracing`.
";

    #[test]
    fn reads_rows_owners_and_lists() {
        let table = Table::parse(SAMPLE).unwrap();
        let storage = table.row("storage").unwrap();
        assert!(!storage.is_pure && table.row("engine").unwrap().is_pure);
        assert_eq!(storage.imports, ["types".to_owned()].into());
        assert_eq!(storage.names, ["sled".to_owned(), "rustix".to_owned()].into());
        assert_eq!(storage.owns, ["sled".to_owned()].into());
        assert!(table.row("types").unwrap().imports.is_empty());
        assert_eq!(table.free_to_impure.len(), 2);
    }

    #[test]
    fn refuses_a_page_without_the_law() {
        assert!(Table::parse("# Architecture\n").is_err());
        assert!(Table::parse(&SAMPLE.replace("Free to all rooms", "Free")).is_err());
        assert!(Table::parse(&SAMPLE.replace("| `libm` |", "")).is_err());
    }
}
