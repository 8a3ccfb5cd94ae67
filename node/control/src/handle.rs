//! The way in: reads views, proposes commands. Cheap to clone. Every change
//! that it answers shows in [`Handle::view`] on this node.

use std::sync::Arc;

use serde_json::Value;
use tokio::sync::watch;
use via_catalog::command::{
    CreateStream, CreateTenant, OpenProducer, PutDefaults, PutStreamConfig, PutSubject,
};
use via_catalog::{
    Author, Command, Deed, Entry, Outcome, Refusal, Stream, Subject, Tenant, Thing, View, name,
};
use via_types::{Epoch, ProducerId, Revision, StreamConfig, TenantId, limit};

use crate::Error;
use crate::options::DEFAULT_TENANT;
use crate::room::Room;

/// A stream that was asked for.
#[derive(Clone, Debug, PartialEq)]
pub struct Created {
    /// The stream.
    pub stream: Arc<Stream>,
    /// It was there before and keeps the configuration it had.
    pub existed: bool,
}

/// Control on this node.
#[derive(Clone)]
pub struct Handle(Arc<Room>);

impl Handle {
    pub(crate) fn new(room: Arc<Room>) -> Self {
        Self(room)
    }

    pub(crate) fn room(&self) -> &Arc<Room> {
        &self.0
    }

    /// Returns the catalog as this node knows it.
    pub fn view(&self) -> Arc<View> {
        self.0.state.view()
    }

    /// Returns a receiver of every later view.
    pub fn watch(&self) -> watch::Receiver<Arc<View>> {
        self.0.state.watch()
    }

    /// Proposes a change as part of somebody's deed, and returns once it shows
    /// in [`Handle::view`] on this node. Its audit record is in the same entry
    /// (invariant A-1). Whether they may is asked before, by [`via_types::may`].
    ///
    /// # Errors
    /// [`Error::Refused`]: among them, stale and missing bases (invariant C-1)
    /// and an idempotency key that was used for another request;
    /// [`Error::Group`].
    pub async fn commit(&self, deed: Deed, command: impl Into<Command>) -> Result<Outcome, Error> {
        self.0.enter(&Entry { deed: Some(deed), command: command.into() }).await
    }

    /// Returns the deed of somebody of whom nobody asked who they are.
    fn unknown(&self) -> Deed {
        Deed::new(Author::Unknown, self.0.clock.now())
    }

    /// As [`Self::create_stream_by`], of somebody unknown.
    ///
    /// # Errors
    /// [`Error::Refused`], [`Error::Group`].
    pub async fn create_stream(
        &self,
        tenant: TenantId,
        name: &str,
        own: &Value,
    ) -> Result<Created, Error> {
        self.create_stream_by(self.unknown(), tenant, name, own).await
    }

    /// Creates a stream that says `own` of how it is judged, an object of some
    /// settings, or returns the one of that name as it is.
    ///
    /// # Errors
    /// [`Error::Refused`], [`Error::Group`].
    pub async fn create_stream_by(
        &self,
        deed: Deed,
        tenant: TenantId,
        name: &str,
        own: &Value,
    ) -> Result<Created, Error> {
        let view = self.view();
        if let Some(stream) = view.stream(tenant, name) {
            return Ok(Created { stream: Arc::clone(stream), existed: true });
        }
        // Refuse here what would be refused there: a refusal costs no entry.
        name::check(Thing::Stream, name)?;
        // Most streams (invariant D-6).
        let streams = self.0.options.streams.min(limit::STREAMS);
        if view.stream_count() >= streams {
            let limit = streams as u64;
            return Err(Refusal::full("streams", limit).into());
        }
        let config = own.to_string();
        view.in_force(&config)?;
        let (name, at) = (name.to_owned(), deed.at);
        let outcome = self.commit(deed, CreateStream { tenant, name, config, at }).await?;
        let Outcome::Stream { stream, existed } = outcome else { return Err(Error::Outcome) };
        Ok(Created { stream, existed })
    }

    /// As [`Self::put_stream_config_by`], of somebody unknown.
    ///
    /// # Errors
    /// Those of [`Self::put_stream_config_by`].
    pub async fn put_stream_config(
        &self,
        tenant: TenantId,
        name: &str,
        based_on: Revision,
        own: &Value,
    ) -> Result<Arc<Stream>, Error> {
        self.put_stream_config_by(self.unknown().based_on(based_on), tenant, name, own).await
    }

    /// Replaces what a stream says of how it is judged, if its configuration is
    /// still at what the deed is based on.
    ///
    /// # Errors
    /// [`Error::NoStream`]; [`Error::Refused`], whose
    /// [`Error::current_revision`] says what is current when `based_on` is
    /// stale (invariant C-1); [`Error::Group`].
    pub async fn put_stream_config_by(
        &self,
        deed: Deed,
        tenant: TenantId,
        name: &str,
        own: &Value,
    ) -> Result<Arc<Stream>, Error> {
        let view = self.view();
        let there = view.stream(tenant, name);
        let there = there.ok_or_else(|| Error::NoStream { name: name.to_owned() })?;
        let (stream, current) = (there.id, there.revision);
        let based_on = deed.based_on.ok_or(Refusal::BasisMissing { current })?;
        let config = own.to_string();
        view.in_force(&config)?;
        let put = PutStreamConfig { tenant, stream, based_on, config };
        let outcome = self.commit(deed, put).await?;
        let Outcome::Configured(stream) = outcome else { return Err(Error::Outcome) };
        Ok(stream)
    }

    /// As [`Self::open_producer_by`], of somebody unknown.
    ///
    /// # Errors
    /// [`Error::Refused`], [`Error::Group`].
    pub async fn open_producer(
        &self,
        tenant: TenantId,
        name: &str,
    ) -> Result<(ProducerId, Epoch), Error> {
        self.open_producer_by(self.unknown(), tenant, name).await
    }

    /// Starts a new incarnation of a producer; every earlier one is fenced off
    /// (invariant D-2).
    ///
    /// # Errors
    /// [`Error::Refused`], [`Error::Group`].
    pub async fn open_producer_by(
        &self,
        deed: Deed,
        tenant: TenantId,
        name: &str,
    ) -> Result<(ProducerId, Epoch), Error> {
        name::check(Thing::Producer, name)?;
        let open = OpenProducer { tenant, name: name.to_owned() };
        let outcome = self.commit(deed, open).await?;
        let Outcome::Opened { id, epoch } = outcome else { return Err(Error::Outcome) };
        Ok((id, epoch))
    }

    /// Creates a tenant, or returns the one of that name.
    ///
    /// # Errors
    /// [`Error::Refused`], [`Error::Group`].
    pub async fn create_tenant(&self, name: &str) -> Result<Arc<Tenant>, Error> {
        if let Some(tenant) = self.view().tenant_named(name) {
            return Ok(Arc::clone(tenant));
        }
        name::check(Thing::Tenant, name)?;
        let (name, at) = (name.to_owned(), self.0.clock.now());
        let outcome = self.commit(self.unknown(), CreateTenant { name, at }).await?;
        let Outcome::Tenant { tenant, .. } = outcome else { return Err(Error::Outcome) };
        Ok(tenant)
    }

    /// Sets how streams are judged in what they do not say themselves.
    ///
    /// # Errors
    /// [`Error::Config`], [`Error::Refused`], [`Error::Group`].
    pub async fn put_defaults(&self, defaults: &StreamConfig) -> Result<(), Error> {
        let config = to_json(defaults)?;
        if self.view().defaults().is_some_and(|there| there.json == config) {
            return Ok(());
        }
        let outcome = self.0.propose(&PutDefaults { config }.into()).await?;
        let Outcome::Defaults(_) = outcome else { return Err(Error::Outcome) };
        Ok(())
    }

    /// Returns why control cannot serve changes now, in words; none when it can.
    pub fn not_ready(&self) -> Option<String> {
        self.0.not_ready()
    }
}

impl Room {
    pub(crate) fn not_ready(&self) -> Option<String> {
        if self.state.view().cluster().is_none() {
            return Some("the cluster is not formed yet".to_owned());
        }
        if self.group.leadership().borrow().leader.is_none() {
            return Some("the meta group has no leader".to_owned());
        }
        None
    }

    /// Sees to it that the default tenant and the defaults of streams are there;
    /// on the leader.
    pub(crate) async fn arrange_tenant(&self) -> Result<(), Error> {
        if self.state.view().tenant_named(DEFAULT_TENANT).is_none() {
            let (name, at) = (DEFAULT_TENANT.to_owned(), self.clock.now());
            self.propose_here(&CreateTenant { name, at }.into()).await?.1?;
        }
        let config = to_json(&self.options.stream_defaults)?;
        let view = self.state.view();
        if view.defaults().is_none_or(|there| there.json != config) {
            self.propose_here(&PutDefaults { config }.into()).await?.1?;
        }
        if view.subject(Subject::SIGNER).is_none() {
            let put = PutSubject { id: Subject::SIGNER, key: self.drawn()? };
            self.propose_here(&put.into()).await?.1?;
        }
        Ok(())
    }
}

/// Writes a configuration as the text that every node and version reads back
/// as the same numbers.
fn to_json(config: &StreamConfig) -> Result<String, Error> {
    let lost = |why: serde_json::Error| Error::Config { why: why.to_string() };
    let json = serde_json::to_string(config).map_err(lost)?;
    if json.len() > limit::CONFIG_BYTES {
        return Err(Refusal::ConfigTooLong { bytes: json.len() }.into());
    }
    let _: StreamConfig = serde_json::from_str(&json).map_err(lost)?;
    Ok(json)
}
