//! The bytes of what tenants were given.

use via_catalog::Usage;
use via_catalog::command::NoteUsage;

use super::*;

#[test]
fn usage_reads_as_it_was_written() {
    let (tenant, node, stream) = (TENANT, NodeId::new(3), StreamId::new(2));
    let admitted = vec![(stream, 20_000, 7), (StreamId::new(4), 20_001, 1 << 40)];
    let note = NoteUsage { tenant, node, number: 12, admitted };
    let entry = Entry { deed: Some(deed()), command: note.into() };
    golden_file("catalog-entry-usage-v2.bin", Kind::CatalogEntry, &[entry]);
    let mut page = Usage::of(tenant, stream, 20_000);
    page.events[3] = 7;
    page.notes = vec![(node, 12)];
    let object = Object::Usage(Arc::new(page));
    assert_eq!(&*key(object.key()), &[21, 0, 0, 0, 2, 0, 0, 2, 113]);
    golden_file("catalog-state-usage-v1.bin", Kind::CatalogState, &[object]);
}
