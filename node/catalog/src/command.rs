//! What can be asked of the catalog: one file per command, each with its rule
//! and its tests. A command carries everything it needs, time included.
//! Variants are appended, never reordered: they rest in the meta log.

mod admit_node;
mod begin_session;
mod close_grant;
mod create_api_key;
mod create_stream;
mod create_tenant;
mod create_user;
mod delete_role;
mod delete_suppression;
mod delete_user;
mod end_sessions;
mod forget_subject;
mod form_cluster;
mod issue_token;
mod note_attempt;
mod note_usage;
mod note_use;
mod observe_node;
mod open_grant;
mod open_producer;
mod prune_trail;
mod put_account;
mod put_defaults;
mod put_plan;
mod put_role;
mod put_stream_config;
mod put_subject;
mod put_suppression;
mod put_user;
mod record;
mod register_node;
mod revert_stream_config;
mod revoke_api_key;
mod rotate_api_key;
mod rotate_session;
mod set_credentials;
mod set_node_state;

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use via_types::{Epoch, ProducerId, Revision};

pub use admit_node::AdmitNode;
pub use begin_session::BeginSession;
pub use close_grant::CloseGrant;
pub use create_api_key::CreateApiKey;
pub use create_stream::CreateStream;
pub use create_tenant::CreateTenant;
pub use create_user::CreateUser;
pub use delete_role::DeleteRole;
pub use delete_suppression::DeleteSuppression;
pub use delete_user::DeleteUser;
pub use end_sessions::{EndSessions, Which};
pub use forget_subject::ForgetSubject;
pub use form_cluster::FormCluster;
pub use issue_token::IssueToken;
pub use note_attempt::{NoteAttempt, Tried};
pub use note_usage::NoteUsage;
pub use note_use::NoteUse;
pub use observe_node::ObserveNode;
pub use open_grant::OpenGrant;
pub use open_producer::OpenProducer;
pub use prune_trail::PruneTrail;
pub use put_account::PutAccount;
pub use put_defaults::PutDefaults;
pub use put_plan::PutPlan;
pub use put_role::PutRole;
pub use put_stream_config::PutStreamConfig;
pub use put_subject::PutSubject;
pub use put_suppression::PutSuppression;
pub use put_user::PutUser;
pub use record::{Decided, Happened, Record};
pub use register_node::RegisterNode;
pub use revert_stream_config::RevertStreamConfig;
pub use revoke_api_key::RevokeApiKey;
pub use rotate_api_key::RotateApiKey;
pub use rotate_session::RotateSession;
pub use set_credentials::{CredentialChange, SetCredentials};
pub use set_node_state::SetNodeState;

use crate::catalog::Catalog;
use crate::entry::Deed;
use crate::object::{
    Account, ApiKey, Cluster, CustomRole, Defaults, Grant, Node, Plan, Session, Stream, Subject,
    Suppression, Tenant, User,
};
use crate::refusal::Refusal;

macro_rules! commands {
    ($($(#[$doc:meta])* $name:ident = $word:literal,)*) => {
        /// One change asked for.
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
        pub enum Command {
            $($(#[$doc])* $name($name),)*
        }

        impl Command {
            /// Returns its word: in records and metrics.
            pub const fn word(&self) -> &'static str {
                match self { $(Self::$name(_) => $word,)* }
            }
        }

        $(impl From<$name> for Command {
            fn from(command: $name) -> Self {
                Self::$name(command)
            }
        })*
    };
}

commands! {
    /// Forms the cluster; the first command of all.
    FormCluster = "form_cluster",
    /// Makes a node known, or updates what is known of it.
    RegisterNode = "register_node",
    /// Creates a tenant.
    CreateTenant = "create_tenant",
    /// Creates a stream.
    CreateStream = "create_stream",
    /// Replaces a stream's configuration.
    PutStreamConfig = "put_stream_config",
    /// Starts a new incarnation of a producer.
    OpenProducer = "open_producer",
    /// Says whether a node takes part.
    SetNodeState = "set_node_state",
    /// Sets how streams are judged that say nothing else.
    PutDefaults = "put_defaults",
    /// Makes a join token known.
    IssueToken = "issue_token",
    /// Lets a node in.
    AdmitNode = "admit_node",
    /// Says whether a node is there.
    ObserveNode = "observe_node",
    /// Says what a tenant may use.
    PutAccount = "put_account",
    /// Makes or changes a plan.
    PutPlan = "put_plan",
    /// Makes somebody known who may log in.
    CreateUser = "create_user",
    /// Changes what somebody may do.
    PutUser = "put_user",
    /// Forgets somebody.
    DeleteUser = "delete_user",
    /// Changes what somebody proves themselves with.
    SetCredentials = "set_credentials",
    /// Notes an attempt to log in.
    NoteAttempt = "note_attempt",
    /// Makes or changes a tenant's own role.
    PutRole = "put_role",
    /// Takes a tenant's own role away.
    DeleteRole = "delete_role",
    /// Makes an API key known.
    CreateApiKey = "create_api_key",
    /// Replaces an API key while the old one is good for a while.
    RotateApiKey = "rotate_api_key",
    /// Takes an API key away.
    RevokeApiKey = "revoke_api_key",
    /// Begins a session.
    BeginSession = "begin_session",
    /// Replaces a session's token.
    RotateSession = "rotate_session",
    /// Ends sessions.
    EndSessions = "end_sessions",
    /// Notes that keys and sessions are used.
    NoteUse = "note_use",
    /// Opens a tenant to an operator.
    OpenGrant = "open_grant",
    /// Shuts it again.
    CloseGrant = "close_grant",
    /// Takes a stream's configuration back.
    RevertStreamConfig = "revert_stream_config",
    /// Adds to a suppression list.
    PutSuppression = "put_suppression",
    /// Takes off a suppression list.
    DeleteSuppression = "delete_suppression",
    /// Records what happened without a change.
    Record = "record",
    /// Lets old audit records go.
    PruneTrail = "prune_trail",
    /// Makes a person's key known.
    PutSubject = "put_subject",
    /// Destroys a person's key.
    ForgetSubject = "forget_subject",
    /// Adds to what a tenant was given.
    NoteUsage = "note_usage",
}

impl Command {
    pub(crate) fn apply(
        self,
        catalog: &mut Catalog,
        at: Revision,
        deed: Option<&Deed>,
    ) -> Result<Outcome, Refusal> {
        match self {
            Self::FormCluster(command) => command.apply(catalog),
            Self::RegisterNode(command) => command.apply(catalog),
            Self::CreateTenant(command) => command.apply(catalog),
            Self::CreateStream(command) => command.apply(catalog, at, deed),
            Self::PutStreamConfig(command) => command.apply(catalog, at, deed),
            Self::OpenProducer(command) => command.apply(catalog),
            Self::SetNodeState(command) => command.apply(catalog),
            Self::PutDefaults(command) => command.apply(catalog, at),
            Self::IssueToken(command) => command.apply(catalog),
            Self::AdmitNode(command) => command.apply(catalog),
            Self::ObserveNode(command) => command.apply(catalog),
            Self::PutAccount(_)
            | Self::PutPlan(_)
            | Self::CreateUser(_)
            | Self::PutUser(_)
            | Self::DeleteUser(_)
            | Self::SetCredentials(_)
            | Self::NoteAttempt(_)
            | Self::PutRole(_)
            | Self::DeleteRole(_)
            | Self::CreateApiKey(_)
            | Self::RotateApiKey(_)
            | Self::RevokeApiKey(_)
            | Self::BeginSession(_)
            | Self::RotateSession(_)
            | Self::EndSessions(_)
            | Self::NoteUse(_)
            | Self::OpenGrant(_)
            | Self::CloseGrant(_)
            | Self::RevertStreamConfig(_)
            | Self::PutSuppression(_)
            | Self::DeleteSuppression(_)
            | Self::Record(_)
            | Self::PruneTrail(_)
            | Self::PutSubject(_)
            | Self::ForgetSubject(_)
            | Self::NoteUsage(_) => {
                // The audit log is as old as they are (invariant A-1).
                self.apply_as(catalog, at, deed.ok_or(Refusal::Anonymous)?)
            }
        }
    }

    /// Applies what somebody must ask for.
    fn apply_as(
        self,
        catalog: &mut Catalog,
        at: Revision,
        deed: &Deed,
    ) -> Result<Outcome, Refusal> {
        match self {
            Self::PutAccount(command) => command.apply(catalog, at, deed),
            Self::PutPlan(command) => command.apply(catalog, at, deed),
            Self::CreateUser(command) => command.apply(catalog, at, deed),
            Self::PutUser(command) => command.apply(catalog, at, deed),
            Self::DeleteUser(command) => command.apply(catalog, deed),
            Self::SetCredentials(command) => command.apply(catalog, at, deed),
            Self::NoteAttempt(command) => command.apply(catalog, deed),
            Self::PutRole(command) => command.apply(catalog, at, deed),
            Self::DeleteRole(command) => command.apply(catalog, deed),
            Self::CreateApiKey(command) => command.apply(catalog, at, deed),
            Self::RotateApiKey(command) => command.apply(catalog, at, deed),
            Self::RevokeApiKey(command) => command.apply(catalog),
            Self::BeginSession(command) => command.apply(catalog, at, deed),
            Self::RotateSession(command) => command.apply(catalog, deed),
            Self::EndSessions(command) => command.apply(catalog),
            Self::NoteUse(command) => command.apply(catalog),
            Self::OpenGrant(command) => command.apply(catalog, at, deed),
            Self::CloseGrant(command) => command.apply(catalog),
            Self::RevertStreamConfig(command) => command.apply(catalog, at, deed),
            Self::PutSuppression(command) => command.apply(catalog, at, deed),
            Self::DeleteSuppression(command) => command.apply(catalog),
            Self::Record(command) => command.apply(catalog, at),
            Self::PruneTrail(command) => command.apply(catalog, at, deed),
            Self::PutSubject(command) => command.apply(catalog),
            Self::ForgetSubject(command) => command.apply(catalog),
            Self::NoteUsage(command) => command.apply(catalog),
            Self::FormCluster(_)
            | Self::RegisterNode(_)
            | Self::CreateTenant(_)
            | Self::CreateStream(_)
            | Self::PutStreamConfig(_)
            | Self::OpenProducer(_)
            | Self::SetNodeState(_)
            | Self::PutDefaults(_)
            | Self::IssueToken(_)
            | Self::AdmitNode(_)
            | Self::ObserveNode(_) => self.apply(catalog, at, Some(deed)),
        }
    }
}

/// What an accepted command resulted in.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Outcome {
    /// The cluster is formed, now or before.
    Formed(Cluster),
    /// The node as it is now.
    Registered(Arc<Node>),
    /// The tenant, new or already there.
    Tenant {
        /// The tenant.
        tenant: Arc<Tenant>,
        /// It was there before; nothing changed.
        existed: bool,
    },
    /// The stream, new or already there. One that was there keeps its own
    /// configuration.
    Stream {
        /// The stream.
        stream: Arc<Stream>,
        /// It was there before; nothing changed.
        existed: bool,
    },
    /// The stream as it is configured now.
    Configured(Arc<Stream>),
    /// The defaults as they are now.
    Defaults(Arc<Defaults>),
    /// A producer's new incarnation; every earlier one is fenced off (D-2).
    Opened {
        /// The producer.
        id: ProducerId,
        /// Its new epoch.
        epoch: Epoch,
    },
    /// The join token is known.
    Issued,
    /// The account as it is now.
    Account(Arc<Account>),
    /// The plan as it is now.
    Plan(Arc<Plan>),
    /// The user as they are now.
    User(Arc<User>),
    /// The role as it is now.
    Role(Arc<CustomRole>),
    /// The API key as it is now.
    ApiKey(Arc<ApiKey>),
    /// The session as it is now.
    Session(Arc<Session>),
    /// So many sessions ended.
    Ended(u32),
    /// A token came twice: the session is over.
    Reused,
    /// The grant as it is now.
    Grant(Arc<Grant>),
    /// The entry of the suppression list.
    Suppression(Arc<Suppression>),
    /// It is taken away.
    Gone,
    /// So many things were noted.
    Noted(u32),
    /// Records before this one may be gone.
    Pruned {
        /// The first that is kept whole.
        kept_from: u64,
    },
    /// The person's key.
    Subject(Arc<Subject>),
}

#[cfg(test)]
pub(crate) mod fixture;
