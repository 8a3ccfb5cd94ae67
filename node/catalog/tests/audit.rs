//! No deed without a record (invariant A-1), whatever is asked in whatever
//! order: every change is in one audit log, the logs grow as their trees say,
//! and a catalog that was put down and taken up again goes on alike.

#![expect(clippy::unwrap_used, reason = "helpers of tests are tests")]

use std::collections::BTreeMap;

use proptest::prelude::*;
use via_audit::{Decision, Frontier, leaf};
use via_catalog::command::{
    BeginSession, CreateApiKey, CreateStream, CreateTenant, CreateUser, DeleteUser, EndSessions,
    FormCluster, OpenProducer, PutAccount, PutRole, PutStreamConfig, PutSuppression, PutUser,
    Which,
};
use via_catalog::{
    Author, Catalog, ClusterId, Command, Credentials, Deed, Digest, Entry, Hushed, Idempotency,
    Key, Plan, PlanId, Quotas, Recorded, Refusal, Standing, TrailId, Verdict,
};
use via_types::access::{Action, Resource};
use via_types::{Permissions, Revision, Role, SessionId, StreamId, TenantId, Timestamp, UserId};

fn digest(number: u8) -> Digest {
    Digest::new([number; 32])
}

fn secs(seconds: i64) -> Timestamp {
    Timestamp::from_nanos(seconds * 1_000_000_000)
}

fn command() -> impl Strategy<Value = Command> {
    let name = || prop::sample::select(vec!["a", "b", "c"]).prop_map(str::to_owned);
    let tenant = || (1_u32..3).prop_map(TenantId::new);
    let some = || prop::option::of(tenant());
    let user = || (1_u64..30).prop_map(UserId::new);
    let config =
        || prop::sample::select(vec!["{}", r#"{"explain":"none"}"#]).prop_map(str::to_owned);
    let allowed = Permissions::NONE.and(&[Resource::Events], &[Action::Read]);
    prop_oneof![
        1 => name().prop_map(|name| CreateTenant { name, at: secs(1) }.into()),
        1 => (tenant(), name(), config()).prop_map(|(tenant, name, config)| {
            CreateStream { tenant, name, config, at: secs(1) }.into()
        }),
        1 => (tenant(), 1_u32..4, 1_u64..30, config()).prop_map(|(tenant, stream, based_on, config)| {
            let (stream, based_on) = (StreamId::new(stream), Revision::new(based_on));
            PutStreamConfig { tenant, stream, based_on, config }.into()
        }),
        1 => (tenant(), name()).prop_map(|(tenant, name)| OpenProducer { tenant, name }.into()),
        1 => (tenant(), 0_u16..4).prop_map(|(tenant, plan)| {
            let (plan, quotas) = (PlanId::new(plan), Quotas::default());
            let (region, standing) = (None, Standing::Active);
            let needs_second_factor = false;
            PutAccount { tenant, plan, quotas, region, standing, needs_second_factor }.into()
        }),
        3 => (some(), name()).prop_map(|(tenant, login)| {
            let role = if tenant.is_some() { Role::Admin } else { Role::OperatorAdmin };
            let (identities, credentials) = (Vec::new(), Credentials::default());
            CreateUser { tenant, login, roles: vec![role], identities, credentials }.into()
        }),
        1 => (some(), user(), any::<bool>()).prop_map(|(tenant, user, is_active)| {
            let (roles, identities) = (Vec::new(), Vec::new());
            PutUser { tenant, user, roles, identities, is_active }.into()
        }),
        1 => (some(), user()).prop_map(|(tenant, user)| DeleteUser { tenant, user }.into()),
        3 => (some(), user(), 0_u8..20).prop_map(|(tenant, user, token)| {
            let (idle_seconds, expires) = (60, secs(5_000));
            let (token, has_second_factor) = (digest(token), false);
            BeginSession { tenant, user, token, idle_seconds, expires, has_second_factor }.into()
        }),
        1 => (some(), user(), 1_u64..30).prop_map(|(tenant, user, session)| {
            let which = Which::AllBut(SessionId::new(session));
            EndSessions { tenant, user, which }.into()
        }),
        1 => (tenant(), name()).prop_map(move |(tenant, name)| {
            PutRole { tenant, role: None, name, permissions: allowed }.into()
        }),
        1 => (some(), name(), 0_u8..9).prop_map(move |(tenant, name, number)| {
            CreateApiKey {
                tenant,
                name,
                kind: "ingest".to_owned(),
                env: "test".to_owned(),
                digest: digest(number),
                permissions: allowed,
                streams: None,
                networks: Vec::new(),
                expires: None,
            }
            .into()
        }),
        1 => (tenant(), 0_u64..3).prop_map(|(tenant, rhythm)| {
            let (about, verdict) = (Hushed::Rhythm(rhythm), Verdict::Allow);
            PutSuppression { tenant, stream: None, about, verdict, expires: None }.into()
        }),
    ]
}

/// A deed; what it is based on is right mostly, when anything is.
fn deed() -> impl Strategy<Value = (Deed, bool)> {
    let author = prop_oneof![
        Just(Author::Unknown),
        Just(Author::User { user: UserId::new(3), home: None, session: None, grant: None }),
    ];
    let key = prop::option::weighted(0.3, (0_u8..4, 0_u8..2));
    (author, 0_i64..100_000, key, prop::bool::weighted(0.8)).prop_map(|(by, at, key, is_right)| {
        let idempotency = key.map(|(key, body)| Idempotency {
            tenant: None,
            key: digest(key),
            body: digest(body),
        });
        (Deed { idempotency, request: "r".to_owned(), ..Deed::new(by, secs(at)) }, is_right)
    })
}

/// The revision of what a command changes, as it is now.
fn current(catalog: &Catalog, command: &Command) -> Option<Revision> {
    let view = catalog.view();
    if let Command::PutAccount(put) = command {
        Some(view.account(put.tenant).map_or(Revision::new(0), |account| account.revision))
    } else if let Command::PutUser(put) = command {
        view.user(put.user).map(|user| user.revision)
    } else if let Command::DeleteUser(delete) = command {
        view.user(delete.user).map(|user| user.revision)
    } else {
        None
    }
}

fn formed() -> Catalog {
    let mut catalog = Catalog::default();
    let form = FormCluster { id: ClusterId::new(7), shards: 16, at: secs(0) };
    catalog.apply(Revision::new(1), form).outcome.unwrap();
    let tenant = CreateTenant { name: "default".to_owned(), at: secs(0) };
    catalog.apply(Revision::new(2), tenant).outcome.unwrap();
    catalog
}

/// Everything that was recorded, as whoever keeps it has it.
#[derive(Default)]
struct Kept(BTreeMap<(TrailId, u64), String>);

impl Kept {
    fn take(&mut self, recorded: Vec<Recorded>) {
        for Recorded { trail, index, text, nodes } in recorded {
            assert_eq!(nodes.first().map(|node| node.1), Some(leaf(text.as_bytes())));
            assert_eq!(self.0.insert((trail, index), text), None, "a place is taken once");
        }
    }

    fn agrees(&self, catalog: &Catalog) {
        let view = catalog.view();
        let mut counted = 0;
        for trail in view.trails() {
            let records = self.0.range((trail.id, 0)..=(trail.id, u64::MAX));
            let mut tree = Frontier::default();
            for ((_, index), text) in records {
                assert_eq!(*index, tree.size(), "no place is left out");
                tree.append(leaf(text.as_bytes()), |_, _| {});
            }
            assert_eq!(tree, trail.tree, "invariant A-1");
            counted += trail.tree.size();
        }
        assert_eq!(counted, self.0.len() as u64);
    }
}

proptest! {
    #[test]
    fn every_change_is_recorded_and_nothing_else_is(
        deeds in prop::collection::vec((command(), deed(), prop::bool::weighted(0.1)), 0..60),
    ) {
        let (mut catalog, mut kept) = (formed(), Kept::default());
        let mut twin = catalog.clone();
        for (at, (command, (mut deed, is_right), restart)) in (3..).zip(deeds) {
            deed.based_on = current(&catalog, &command).filter(|_| is_right);
            let entry = Entry { deed: Some(deed), command };
            let applied = catalog.apply(Revision::new(at), entry.clone());
            prop_assert_eq!(&twin.apply(Revision::new(at), entry), &applied, "alike everywhere");
            let is_change = |key: &Key| !matches!(key, Key::Answer(_) | Key::Trail(_));
            let is_changed = applied.changed.iter().any(is_change);
            prop_assert_eq!(is_changed, !applied.recorded.is_empty(), "invariant A-1");
            prop_assert!(applied.recorded.len() <= 2);
            prop_assert!(applied.outcome.is_ok() || !is_changed);
            for recorded in &applied.recorded {
                let record: via_audit::Record = serde_json::from_str(&recorded.text).unwrap();
                prop_assert_eq!((record.decision, record.revision), (Decision::Done, at));
            }
            kept.take(applied.recorded);
            if restart {
                let back = Catalog::restore(catalog.revision(), catalog.objects());
                prop_assert_eq!(back.as_ref(), Ok(&catalog), "what is kept is what there is");
                catalog = back.unwrap();
            }
        }
        kept.agrees(&catalog);
        prop_assert_eq!(catalog.objects().count(), catalog.len());
        prop_assert_eq!(catalog, twin, "and the audit logs with it");
    }
}

fn asked(
    catalog: &mut Catalog,
    at: u64,
    key: u8,
    body: u8,
    name: &str,
) -> (Result<u32, Refusal>, usize) {
    let idempotency = Some(Idempotency { tenant: None, key: digest(key), body: digest(body) });
    let deed = Deed { idempotency, ..Deed::new(Author::Unknown, secs(at as i64)) };
    let command = CreateTenant { name: name.to_owned(), at: secs(0) }.into();
    let applied = catalog.apply(Revision::new(at), Entry { deed: Some(deed), command });
    let id = applied.outcome.map(|outcome| {
        let via_catalog::Outcome::Tenant { tenant, existed: false } = outcome else {
            panic!("{outcome:?}");
        };
        tenant.id.get()
    });
    (id, applied.recorded.len())
}

#[test]
fn the_same_request_is_answered_alike_and_done_once() {
    let mut catalog = formed();
    assert_eq!(asked(&mut catalog, 3, 1, 1, "acme"), (Ok(2), 1));
    // Whoever leads next has it in the machine.
    let mut catalog = Catalog::restore(catalog.revision(), catalog.objects()).unwrap();
    assert_eq!(asked(&mut catalog, 4, 1, 1, "acme"), (Ok(2), 0), "new, as the first time");
    assert_eq!(asked(&mut catalog, 5, 1, 2, "other"), (Err(Refusal::OtherRequest), 0));
    assert_eq!(asked(&mut catalog, 6, 2, 2, "other"), (Ok(3), 1));
    assert_eq!(catalog.view().tenants().count(), 3);
    // A day later it is forgotten, and the key may be used anew.
    let day = 86_400;
    assert_eq!(asked(&mut catalog, 3 + day, 1, 2, "third"), (Ok(4), 1));
}

#[test]
fn an_operator_s_deed_in_a_tenant_is_told_to_both() {
    let mut catalog = formed();
    let by = Author::User { user: UserId::new(9), home: None, session: None, grant: None };
    let deed = Deed { based_on: Some(Revision::new(0)), ..Deed::new(by, secs(5)) };
    let command = PutAccount {
        tenant: TenantId::new(1),
        plan: Plan::FREE,
        quotas: Quotas::default(),
        region: None,
        standing: Standing::Active,
        needs_second_factor: true,
    };
    let entry = Entry { deed: Some(deed), command: command.into() };
    let recorded = catalog.apply(Revision::new(3), entry).recorded;
    let trails: Vec<_> = recorded.iter().map(|it| it.trail.get()).collect();
    assert_eq!(trails, [1, 0]);
    assert_eq!(recorded[0].text, recorded[1].text);
    assert!(recorded[0].text.contains(r#""by":"operator u9","action":"put_account""#));
}

#[test]
fn no_record_shows_a_secret() {
    let mut catalog = formed();
    let (password, login) = ("$argon2id$secret", "ada@example.org");
    let credentials = Credentials {
        password: Some(password.to_owned()),
        second: Some(via_catalog::SecondFactor { sealed: b"sealedsecret".to_vec(), step: 0 }),
        recovery: vec![digest(0xAB)],
    };
    let create = CreateUser {
        tenant: Some(TenantId::new(1)),
        login: login.to_owned(),
        roles: vec![Role::Admin],
        identities: Vec::new(),
        credentials,
    };
    let deed = Deed::new(Author::Unknown, secs(5));
    let entry = Entry { deed: Some(deed), command: create.into() };
    let recorded = catalog.apply(Revision::new(3), entry).recorded;
    let text = &recorded[0].text;
    for secret in [password, login, "sealedsecret", "abab"] {
        assert!(!text.contains(secret), "{secret}: {text}");
    }
    assert!(text.contains(r#""has_password":true"#), "{text}");
}

#[test]
fn an_entry_from_before_there_was_an_audit_log_leaves_no_record() {
    let mut catalog = formed();
    let name = "acme".to_owned();
    let applied = catalog.apply(Revision::new(3), CreateTenant { name, at: secs(0) });
    assert!(applied.outcome.is_ok() && applied.recorded.is_empty());
    let (identities, credentials) = (Vec::new(), Credentials::default());
    let login = "ada".to_owned();
    let create = CreateUser { tenant: None, login, roles: Vec::new(), identities, credentials };
    let nobody = catalog.apply(Revision::new(4), create);
    assert_eq!(nobody.outcome, Err(Refusal::Anonymous), "which no such entry asked for");
}
