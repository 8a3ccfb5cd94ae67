//! Who may depend on whom: the table of rooms against `cargo metadata`.

use super::source::Source;
use super::table::Table;

/// Packages the design requires; those marked have one owner in the node.
const REQUIRED: &[(&str, Ownership)] = &[
    ("axum", Ownership::One),
    ("bincode", Ownership::One),
    ("hashring", Ownership::One),
    ("metrics", Ownership::Any),
    ("openraft", Ownership::One),
    ("quinn", Ownership::One),
    ("serde", Ownership::Any),
    ("sled", Ownership::One),
    ("tokio", Ownership::Any),
    ("tonic", Ownership::One),
    ("tracing", Ownership::Any),
];

/// Packages that only generated code names.
const NAMED_BY_GENERATED_CODE: &[(&str, &str)] =
    &[("proto", "bytes"), ("proto", "prost"), ("proto", "tonic-prost")];

#[derive(PartialEq)]
enum Ownership {
    One,
    Any,
}

/// One package of the workspace.
pub(crate) struct Room {
    /// Its name without `via-`.
    pub(crate) name: String,
    /// It lies in the machine room `node/`.
    pub(crate) is_in_node: bool,
    /// Packages it needs to be built and to run; not those of its tests.
    pub(crate) needs: Vec<String>,
    /// It inherits the workspace's lints.
    pub(crate) has_lints: bool,
}

/// Returns everything that the table and the packages disagree on.
pub(crate) fn offences(table: &Table, rooms: &[Room]) -> Vec<String> {
    let mut offences = Vec::new();
    for row in &table.rows {
        if !rooms.iter().any(|room| room.name == row.room) {
            offences.push(format!(
                "the table has a room `{}` that does not exist: remove its row",
                row.room
            ));
        }
    }
    for room in rooms {
        let name = &room.name;
        if !room.has_lints {
            offences.push(format!("{name}: add `[lints] workspace = true` to its Cargo.toml"));
        }
        match table.row(name) {
            Some(_) => offences.extend(strangers(table, room)),
            None => offences.push(format!("{name}: give it a row in docs/ARCHITECTURE.md")),
        }
    }
    for (package, ownership) in REQUIRED {
        offences.extend(unowned(table, rooms, package, ownership));
    }
    offences
}

fn strangers(table: &Table, room: &Room) -> Vec<String> {
    let row = table.row(&room.name).expect("the caller found it");
    let name = &room.name;
    let mut offences = Vec::new();
    for need in &room.needs {
        if let Some(other) = need.strip_prefix("via-") {
            if !row.imports.contains(other) {
                offences.push(format!(
                    "{name} imports {other}, which its row does not allow: ask {other}'s caller to pass what {name} needs, or change the table and say why in an ADR"
                ));
            }
            continue;
        }
        let owner =
            table.rows.iter().find(|other| other.owns.contains(need) && other.room != *name);
        let is_free = table.free_to_all.contains(need)
            || (!row.is_pure && table.free_to_impure.contains(need));
        match owner {
            Some(owner) if room.is_in_node && !row.names.contains(need) => offences.push(format!(
                "{name} names {need}, which {} owns: use what {} offers",
                owner.room, owner.room
            )),
            _ if row.names.contains(need) || is_free => {}
            _ => offences.push(format!(
                "{name} names {need}, which its row does not list: do without, or list it"
            )),
        }
    }
    for import in &row.imports {
        if !room.needs.iter().any(|need| need.strip_prefix("via-") == Some(import)) {
            offences.push(format!(
                "the table lets {name} import {import}, which it does not: remove it"
            ));
        }
    }
    for package in &row.names {
        if !room.needs.contains(package) {
            offences.push(format!(
                "the table lets {name} name {package}, which it does not: remove it"
            ));
        }
    }
    offences
}

fn unowned(table: &Table, rooms: &[Room], package: &str, ownership: &Ownership) -> Option<String> {
    if !rooms.iter().any(|room| room.needs.iter().any(|need| need == package)) {
        return Some(format!("{package} is required and nobody uses it"));
    }
    let is_in_node = |room: &str| rooms.iter().any(|other| other.name == room && other.is_in_node);
    let owners = table.rows.iter().filter(|row| row.owns.contains(package)).count();
    let named =
        table.rows.iter().filter(|row| row.names.contains(package) && is_in_node(&row.room));
    let named = named.count();
    (*ownership == Ownership::One && (owners, named) != (1, 1)).then(|| {
        format!("{package} has {owners} owners (bold in the table) and {named} rooms of the node name it; one must")
    })
}

/// Returns dependencies a package declares and never names.
pub(crate) fn unnamed(room: &Room, sources: &[Source]) -> Vec<String> {
    let package = format!("via-{}", room.name);
    let own: Vec<&Source> = sources.iter().filter(|source| source.package == package).collect();
    let is_named = |need: &str| {
        let crate_name = need.replace('-', "_");
        own.iter().any(|source| source.code_lines().any(|(_, line)| names(line, &crate_name)))
    };
    let is_generated = |need: &str| NAMED_BY_GENERATED_CODE.contains(&(room.name.as_str(), need));
    let idle = room.needs.iter().filter(|need| !is_named(need) && !is_generated(need));
    idle.map(|need| format!("{}: depends on {need} and never names it: remove it", room.name))
        .collect()
}

fn names(line: &str, crate_name: &str) -> bool {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices(crate_name).any(|(at, _)| {
        let rest = &line[at + crate_name.len()..];
        !line[..at].ends_with(is_word) && (rest.starts_with("::") || rest.starts_with([';', ' ']))
    })
}

#[cfg(test)]
mod tests {
    use super::super::source::tests::sample;
    use super::super::table::tests::SAMPLE;
    use super::*;

    fn room(name: &str, needs: &[&str]) -> Room {
        let needs = needs.iter().map(|need| (*need).to_owned()).collect();
        Room { name: name.into(), is_in_node: true, needs, has_lints: true }
    }

    fn lawful() -> Vec<Room> {
        vec![
            room("types", &["bytemuck", "serde"]),
            room("engine", &["via-types", "libm"]),
            room("storage", &["via-types", "sled", "rustix", "tracing"]),
            room("node", &["via-types", "via-storage", "clap", "tokio"]),
        ]
    }

    /// Offences that are not about required packages missing from the sample.
    fn judged(rooms: &[Room]) -> Vec<String> {
        let table = Table::parse(SAMPLE).unwrap();
        let mut offences = offences(&table, rooms);
        offences.retain(|offence| !offence.contains("is required"));
        offences
    }

    #[test]
    fn accepts_what_the_table_allows() {
        assert_eq!(judged(&lawful()), Vec::<String>::new());
    }

    #[test]
    fn refuses_an_import_the_table_does_not_allow() {
        let mut rooms = lawful();
        rooms[1].needs.push("via-storage".into());
        assert!(judged(&rooms)[0].contains("engine imports storage"));
    }

    #[test]
    fn refuses_a_package_another_room_owns() {
        let mut rooms = lawful();
        rooms[3].needs.push("sled".into());
        assert!(judged(&rooms)[0].contains("which storage owns"));
    }

    #[test]
    fn refuses_in_a_core_what_is_free_elsewhere() {
        let mut rooms = lawful();
        rooms[1].needs.push("tokio".into());
        assert!(judged(&rooms)[0].contains("engine names tokio"));
    }

    #[test]
    fn refuses_rows_and_rooms_without_each_other() {
        let mut rooms = lawful();
        rooms.push(room("cellar", &[]));
        assert!(judged(&rooms)[0].contains("cellar: give it a row"));
        assert!(judged(&lawful()[..3])[0].contains("`node` that does not exist"));
    }

    #[test]
    fn refuses_permissions_nobody_uses() {
        let mut rooms = lawful();
        rooms[2].needs.retain(|need| need != "rustix");
        assert!(judged(&rooms)[0].contains("storage name rustix"));
    }

    #[test]
    fn refuses_a_room_without_lints() {
        let mut rooms = lawful();
        rooms[0].has_lints = false;
        assert_eq!(judged(&rooms).len(), 1);
    }

    #[test]
    fn refuses_a_second_owner() {
        let rooms = lawful();
        let judge =
            |page: &str| unowned(&Table::parse(page).unwrap(), &rooms, "sled", &Ownership::One);
        assert_eq!(judge(SAMPLE), None);
        assert!(judge(&SAMPLE.replace("`clap`", "`clap`, **`sled`**")).is_some());
        assert!(judge(&SAMPLE.replace("**`sled`**", "`sled`")).is_some());
    }

    #[test]
    fn finds_dependencies_never_named() {
        let sources = [sample("use serde_json::Value;\nfn a() { libm::sin(1.0); }\n")];
        let idle = unnamed(&room("sample", &["serde-json", "libm", "serde", "sin"]), &sources);
        assert_eq!(idle.len(), 2);
    }
}
