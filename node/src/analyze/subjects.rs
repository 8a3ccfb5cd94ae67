//! Whom a row is about. Owns the words by which a column is taken for an
//! entity's name, and what several such columns make of a row; refuses to know
//! what else is in the table. Called by `columns`.

/// Most ways in which one row is judged: each costs as much as the first.
pub(crate) const SUBJECTS: usize = 4;

/// One way to say whom a row is about, judged apart from the others.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Subject {
    /// What names the entity, joined; none: all rows are one entity.
    pub(crate) entity: Vec<usize>,
    /// What is counted as distinct.
    pub(crate) distinct: Option<usize>,
}

/// Words that name who an event is about.
const ENTITY_WORDS: [&str; 16] = [
    "entity",
    "user",
    "customer",
    "client",
    "account",
    "card",
    "host",
    "hostname",
    "device",
    "sensor_id",
    "machine",
    "server",
    "service",
    "terminal",
    "merchant",
    "ip",
];

/// Returns the subjects that these columns are, beside what was `asked` for. Of
/// several, each counts the distinct values of the next: a card that is suddenly
/// at many terminals.
pub(super) fn of(named: &[usize], mut asked: Subject) -> Vec<Subject> {
    if let [] | [_] = named {
        asked.entity.extend(named);
        return vec![asked];
    }
    let next = named.iter().cycle().skip(1);
    let subject =
        |(column, next): (&usize, &usize)| Subject { entity: vec![*column], distinct: Some(*next) };
    named.iter().zip(next).map(subject).collect()
}

/// Says whether a column of this name holds entities.
pub(super) fn is_called_entity(name: &str) -> bool {
    let name = name.trim().to_ascii_lowercase();
    ENTITY_WORDS
        .iter()
        .any(|word| name == *word || name.strip_suffix("_id").is_some_and(|stem| stem == *word))
}
