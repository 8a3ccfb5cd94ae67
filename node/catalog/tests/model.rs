//! The catalog against a naive model: any commands in any order, restarts in
//! between. The model is lists and linear searches.

use proptest::prelude::*;
use via_catalog::command::{
    CreateStream, CreateTenant, FormCluster, ObserveNode, OpenProducer, PutDefaults,
    PutStreamConfig, RegisterNode, SetNodeState,
};
use via_catalog::{Catalog, ClusterId, Command, NodeState, Outcome, Refusal};
use via_types::{NodeId, Revision, StreamId, TenantId, Timestamp};

#[derive(Default)]
struct Model {
    formed: Option<u16>,
    revision: u64,
    defaults: Option<String>,
    tenants: Vec<String>,
    /// Tenant, name, configuration, revision; the id is the position plus one.
    streams: Vec<(u32, String, String, u64)>,
    /// Tenant, name, epoch; the id is the position plus one.
    producers: Vec<(u32, String, u32)>,
    nodes: Vec<(u64, String, NodeState)>,
}

/// What the model expects to hear: the essence of an outcome, or that it is
/// refused.
#[derive(Debug, PartialEq)]
enum Heard {
    Done,
    Tenant(u32),
    Stream(u32, u64),
    Producer(u64, u32),
    Refused,
}

fn heard(outcome: Result<Outcome, Refusal>) -> Heard {
    match outcome {
        Ok(Outcome::Formed(_) | Outcome::Registered(_) | Outcome::Defaults(_)) => Heard::Done,
        Ok(Outcome::Issued) => Heard::Done,
        Ok(Outcome::Tenant { tenant, .. }) => Heard::Tenant(tenant.id.get()),
        Ok(Outcome::Stream { stream, .. } | Outcome::Configured(stream)) => {
            Heard::Stream(stream.id.get(), stream.revision.get())
        }
        Ok(Outcome::Opened { id, epoch }) => Heard::Producer(id.get(), epoch.get()),
        Err(_) => Heard::Refused,
        Ok(other) => panic!("nobody asked for {other:?}"),
    }
}

impl Model {
    fn apply(&mut self, at: u64, command: &Command) -> Heard {
        if let Command::FormCluster(form) = command {
            let same = self.formed.is_none_or(|shards| shards == form.shards);
            if !same || !form.shards.is_power_of_two() {
                return Heard::Refused;
            }
            if self.formed.replace(form.shards).is_none() {
                self.revision = at;
            }
            return Heard::Done;
        }
        if self.formed.is_none() {
            return Heard::Refused;
        }
        self.apply_formed(at, command)
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "the model knows some commands only")]
    fn apply_formed(&mut self, at: u64, command: &Command) -> Heard {
        match command {
            Command::FormCluster(_) => Heard::Done,
            Command::CreateTenant(command) => {
                if command.name.contains('/') {
                    return Heard::Refused;
                }
                let there = self.tenants.iter().position(|name| *name == command.name);
                let id = there.unwrap_or_else(|| {
                    self.tenants.push(command.name.clone());
                    self.revision = at;
                    self.tenants.len() - 1
                });
                Heard::Tenant(id as u32 + 1)
            }
            Command::CreateStream(command) => self.create(at, command),
            Command::PutStreamConfig(command) => {
                let id = command.stream.get();
                let stream = self.streams.get_mut((id as usize).wrapping_sub(1));
                let Some(stream) = stream.filter(|it| it.0 == command.tenant.get()) else {
                    return Heard::Refused;
                };
                if stream.3 != command.based_on.get() {
                    return Heard::Refused;
                }
                if stream.2 != command.config {
                    (stream.2, stream.3) = (command.config.clone(), at);
                    self.revision = at;
                }
                Heard::Stream(id, stream.3)
            }
            Command::PutDefaults(command) => {
                let before = self.defaults.replace(command.config.clone());
                if before.as_ref() != Some(&command.config) {
                    self.revision = at;
                }
                // Every other one says all that the defaults could say.
                if before.unwrap_or_else(|| "{}".to_owned()) != command.config {
                    let mute = self.streams.iter_mut().filter(|stream| stream.2 == "{}");
                    mute.for_each(|stream| stream.3 = at);
                }
                Heard::Done
            }
            Command::OpenProducer(command) => self.open(at, command),
            Command::RegisterNode(command) => self.register(at, command),
            Command::SetNodeState(command) => {
                let Some(node) = self.nodes.iter_mut().find(|it| it.0 == command.id.get()) else {
                    return Heard::Refused;
                };
                if node.2 == NodeState::Left && command.state != NodeState::Left {
                    return Heard::Refused;
                }
                if node.2 != command.state {
                    node.2 = command.state;
                    self.revision = at;
                }
                Heard::Done
            }
            Command::ObserveNode(command) => self.observe(at, command),
            // Their own models are in `tokens` and `audit`.
            _ => Heard::Refused,
        }
    }

    fn observe(&mut self, at: u64, command: &ObserveNode) -> Heard {
        let Some(node) = self.nodes.iter_mut().find(|it| it.0 == command.id.get()) else {
            return Heard::Refused;
        };
        let (from, to) = match command.is_up {
            true => (NodeState::Down, NodeState::Active),
            false => (NodeState::Active, NodeState::Down),
        };
        if node.2 == from {
            node.2 = to;
            self.revision = at;
        }
        Heard::Done
    }

    fn allows(&self, tenant: TenantId, name: &str) -> bool {
        (1..=self.tenants.len() as u32).contains(&tenant.get()) && !name.contains('/')
    }

    fn create(&mut self, at: u64, command: &CreateStream) -> Heard {
        if !self.allows(command.tenant, &command.name) {
            return Heard::Refused;
        }
        let tenant = command.tenant.get();
        let there = self.streams.iter().position(|it| it.0 == tenant && it.1 == command.name);
        let id = there.unwrap_or_else(|| {
            let (name, config) = (command.name.clone(), command.config.clone());
            self.streams.push((tenant, name, config, at));
            self.revision = at;
            self.streams.len() - 1
        });
        Heard::Stream(id as u32 + 1, self.streams[id].3)
    }

    fn open(&mut self, at: u64, command: &OpenProducer) -> Heard {
        if !self.allows(command.tenant, &command.name) {
            return Heard::Refused;
        }
        let tenant = command.tenant.get();
        let there = self.producers.iter().position(|it| it.0 == tenant && it.1 == command.name);
        let id = there.unwrap_or_else(|| {
            self.producers.push((tenant, command.name.clone(), 0));
            self.producers.len() - 1
        });
        self.producers[id].2 += 1;
        self.revision = at;
        Heard::Producer(id as u64 + 1, self.producers[id].2)
    }

    fn register(&mut self, at: u64, command: &RegisterNode) -> Heard {
        let id = command.id.get();
        let taken = |it: &(u64, String, NodeState)| {
            it.0 != id && it.1 == command.name && it.2 != NodeState::Left
        };
        let left = self.nodes.iter().any(|it| it.0 == id && it.2 == NodeState::Left);
        if left || self.nodes.iter().any(taken) {
            return Heard::Refused;
        }
        match self.nodes.iter_mut().find(|it| it.0 == id) {
            Some(node) if node.1 == command.name => {}
            Some(node) => {
                node.1 = command.name.clone();
                self.revision = at;
            }
            None => {
                self.nodes.push((id, command.name.clone(), NodeState::Active));
                self.revision = at;
            }
        }
        Heard::Done
    }

    fn agrees(&self, catalog: &Catalog) {
        let view = catalog.view();
        assert_eq!(view.revision().get(), self.revision);
        assert_eq!(view.shards(), self.formed.unwrap_or(0));
        assert_eq!(view.streams().count(), self.streams.len());
        for (number, (tenant, name, config, revision)) in self.streams.iter().enumerate() {
            let stream = view.stream(TenantId::new(*tenant), name).expect("the model has it");
            assert_eq!(stream.id, StreamId::new(number as u32 + 1));
            assert_eq!((&stream.own, stream.revision.get()), (config, *revision));
            assert_eq!(view.stream_by_id(stream.id), Some(stream));
        }
        for (number, name) in self.tenants.iter().enumerate() {
            let tenant = view.tenant_named(name).expect("the model has it");
            assert_eq!(tenant.id, TenantId::new(number as u32 + 1));
            let mine = self.streams.iter().filter(|it| it.0 == tenant.id.get()).count();
            assert_eq!(view.streams_of(tenant.id).count(), mine);
        }
        let active: Vec<_> = self.nodes.iter().filter(|it| it.2 == NodeState::Active).collect();
        for nodes in &view.placement().shards {
            assert_eq!(nodes.len(), active.len().min(3));
            assert!(nodes.iter().all(|node| active.iter().any(|it| it.0 == node.get())), "P-1");
        }
    }
}

fn command() -> impl Strategy<Value = Command> {
    let at = Timestamp::from_nanos(1);
    let name = || prop::sample::select(vec!["a", "b", "c", "bad/name"]).prop_map(str::to_owned);
    let plain = || prop::sample::select(vec!["a", "b", "c"]).prop_map(str::to_owned);
    let config = || {
        prop::sample::select(vec!["{}", r#"{"explain":"none"}"#, r#"{"explain":"basic"}"#])
            .prop_map(str::to_owned)
    };
    let tenant = || (0_u32..4).prop_map(TenantId::new);
    let node = || (1_u64..4).prop_map(NodeId::new);
    let state = prop::sample::select(vec![NodeState::Active, NodeState::Draining, NodeState::Left]);
    prop_oneof![
        1 => prop::sample::select(vec![3_u16, 16, 16, 16, 32]).prop_map(move |shards| {
            FormCluster { id: ClusterId::new(7), shards, at }.into()
        }),
        2 => name().prop_map(move |name| CreateTenant { name, at }.into()),
        4 => (tenant(), name(), config()).prop_map(move |(tenant, name, config)| {
            CreateStream { tenant, name, config, at }.into()
        }),
        4 => (tenant(), 0_u32..5, 0_u64..40, config()).prop_map(|(tenant, stream, based_on, config)| {
            let (stream, based_on) = (StreamId::new(stream), Revision::new(based_on));
            PutStreamConfig { tenant, stream, based_on, config }.into()
        }),
        3 => (tenant(), name()).prop_map(|(tenant, name)| OpenProducer { tenant, name }.into()),
        2 => (node(), plain()).prop_map(|(id, name)| {
            RegisterNode { id, name, addresses: Vec::new(), zone: None }.into()
        }),
        1 => config().prop_map(|config| PutDefaults { config }.into()),
        1 => (node(), state).prop_map(|(id, state)| SetNodeState { id, state }.into()),
        1 => (node(), any::<bool>()).prop_map(|(id, is_up)| ObserveNode { id, is_up }.into()),
    ]
}

proptest! {
    #[test]
    fn the_catalog_does_what_the_model_does(
        commands in prop::collection::vec((command(), prop::bool::weighted(0.1)), 0..60),
    ) {
        let (mut catalog, mut model) = (Catalog::default(), Model::default());
        let mut kept = std::collections::BTreeMap::new();
        for (at, (mut command, restart)) in (1..).zip(commands) {
            // A guess is nearly always stale: half of them look first.
            if let Command::PutStreamConfig(put) = &mut command
                && put.based_on.get() % 2 == 0
                && let Some(stream) = catalog.view().stream_by_id(put.stream)
            {
                put.based_on = stream.revision;
            }
            let expected = model.apply(at, &command);
            let applied = catalog.apply(Revision::new(at), command);
            for key in &applied.changed {
                kept.insert(*key, catalog.object(*key).expect("what changed is there"));
            }
            prop_assert_eq!(heard(applied.outcome), expected);
            model.agrees(&catalog);
            if restart {
                let back = Catalog::restore(catalog.revision(), kept.values().cloned());
                prop_assert_eq!(back.as_ref(), Ok(&catalog), "what is kept is what there is");
                catalog = back.expect("just seen");
            }
        }
        prop_assert_eq!(kept.into_values().collect::<Vec<_>>(), catalog.objects().collect::<Vec<_>>());
    }
}

#[test]
fn a_catalog_with_a_part_missing_is_damaged() {
    let at = Timestamp::from_nanos(1);
    let mut catalog = Catalog::default();
    let commands: [Command; 4] = [
        FormCluster { id: ClusterId::new(7), shards: 16, at }.into(),
        CreateTenant { name: "default".to_owned(), at }.into(),
        CreateStream {
            tenant: TenantId::new(1),
            name: "a".to_owned(),
            config: "{}".to_owned(),
            at,
        }
        .into(),
        OpenProducer { tenant: TenantId::new(1), name: "p".to_owned() }.into(),
    ];
    for (at, command) in (1..).zip(commands) {
        catalog.apply(Revision::new(at), command).outcome.unwrap();
    }
    let objects: Vec<_> = catalog.objects().collect();
    assert_eq!(objects.len(), catalog.len());
    // The cluster, the counters and the tenant are needed by the rest.
    for missing in 0..3 {
        let mut some = objects.clone();
        some.remove(missing);
        assert!(Catalog::restore(Revision::new(4), some).is_err(), "D-7: without {missing}");
    }
    let twice = objects.iter().chain(objects.last()).cloned();
    assert!(Catalog::restore(Revision::new(4), twice).is_err(), "D-7: one comes twice");
}
