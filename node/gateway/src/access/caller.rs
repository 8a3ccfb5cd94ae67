//! Somebody who was let in: who they are, in which tenant they act, and whether
//! they may do what they ask for, as [`via_types::may`] says.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use via_catalog::{Author, Digest, Standing, View};
use via_types::access::{Action, Permissions, Resource};
use via_types::{ApiKeyId, Principal, Role, SessionId, StreamId, TenantId, Timestamp, Wish, may};

use super::rule::Rule;
use crate::problem::{Code, Problem};

/// What somebody proved with who they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Proof {
    /// Nothing: nobody was asked, or nobody need be.
    Nothing,
    /// A session, by what its token hashes to.
    Session(SessionId, Digest),
    /// An API key, by what was shown of it hashes to.
    Key(ApiKeyId, Digest),
}

/// Somebody who makes a request.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    /// Who, as records name them.
    pub(crate) author: Author,
    /// How that is known.
    pub(crate) proof: Proof,
    /// In which tenant they act; an operator in the one that they name.
    pub(crate) tenant: Option<TenantId>,
    /// Where the connection comes from.
    pub(crate) address: IpAddr,
    /// The request's id.
    pub(crate) request: Arc<str>,
    /// What they may; where nobody is asked, on the platform too.
    principals: Vec<Principal>,
    /// Whether the tenant is served to which they belong.
    standing: Standing,
    /// What their request needed.
    rule: Rule,
}

impl Caller {
    /// Returns nobody, who may do nothing.
    pub(crate) fn nobody() -> Self {
        Self {
            author: Author::Unknown,
            proof: Proof::Nothing,
            tenant: None,
            address: IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            request: Arc::from(""),
            principals: Vec::new(),
            standing: Standing::Active,
            rule: Rule::Open,
        }
    }

    /// Returns whoever comes where nobody is asked: an administrator of a
    /// tenant, and an operator of the platform.
    pub(crate) fn anybody(tenant: TenantId) -> Self {
        let everything = |role: Role, home| Principal {
            home,
            permissions: role.permissions(),
            ..Principal::default()
        };
        let principals =
            vec![everything(Role::Admin, Some(tenant)), everything(Role::OperatorAdmin, None)];
        Self { tenant: Some(tenant), principals, ..Self::nobody() }
    }

    /// Returns who has this secret, at `now` and from that address; none when it
    /// is good for nothing. Looks only at what this node knows.
    pub(crate) fn known_by(
        view: &View,
        secret: Digest,
        now: Timestamp,
        address: IpAddr,
    ) -> Option<Self> {
        if let Some(session) = view.session_of(secret) {
            if session.is_over(now) {
                return None;
            }
            let principal = view.principal_of_user(session.user, now)?;
            let (user, home) = (session.user, principal.home);
            let author = Author::User { user, home, session: Some(session.id), grant: None };
            return Some(Self {
                author,
                proof: Proof::Session(session.id, secret),
                tenant: home,
                address,
                principals: vec![principal],
                standing: view.standing(home),
                ..Self::nobody()
            });
        }
        let key = view.api_key_of(secret).filter(|key| key.admits(secret, now, address))?;
        let principal = view.principal_of_key(key.id)?;
        Some(Self {
            author: Author::ApiKey { key: key.id, home: key.tenant },
            proof: Proof::Key(key.id, secret),
            tenant: key.tenant,
            address,
            principals: vec![principal],
            standing: view.standing(key.tenant),
            ..Self::nobody()
        })
    }

    /// Returns them as they act in `tenant`: operators by a grant, which records
    /// name; everybody else only at home.
    pub(crate) fn acting_in(mut self, tenant: TenantId, view: &View, now: Timestamp) -> Self {
        if self.home().is_some() {
            return self;
        }
        self.tenant = Some(tenant);
        if let Author::User { user, home, session, .. } = self.author {
            let open = |it: &&Arc<via_catalog::Grant>| {
                it.operator == user && it.tenant == tenant && now < it.expires
            };
            let grant = view.grants().find(open).map(|grant| grant.id);
            self.author = Author::User { user, home, session, grant };
        }
        self
    }

    /// Returns them as they come: from where, with which request.
    pub(crate) fn coming(self, address: IpAddr, request: &str) -> Self {
        Self { address, request: Arc::from(request), ..self }
    }

    /// Returns whose they are; none for the platform's own.
    pub(crate) fn home(&self) -> Option<TenantId> {
        self.principals.first().and_then(|principal| principal.home)
    }

    /// Returns what they may do at home.
    pub(crate) fn principal(&self) -> Option<&Principal> {
        self.principals.first()
    }

    /// Says whether they may do that where they belong.
    pub(crate) fn may_at_home(&self, resource: Resource, action: Action) -> bool {
        self.may(resource, action, self.home())
    }

    /// Says whether they may do that in the tenant in which they act.
    pub(crate) fn may_here(&self, resource: Resource, action: Action) -> bool {
        self.tenant.is_some() && self.may(resource, action, self.tenant)
    }

    /// Says whether they may do that on the platform.
    pub(crate) fn may_on_platform(&self, resource: Resource, action: Action) -> bool {
        self.may(resource, action, None)
    }

    /// Says whether they may touch a stream of the tenant in which they act.
    pub(crate) fn sees(&self, stream: StreamId) -> bool {
        let scope = |it: &Principal| it.streams.as_ref().is_none_or(|all| all.contains(&stream));
        self.principals.iter().any(scope)
    }

    /// Says whether they may touch every stream.
    pub(crate) fn sees_all(&self) -> bool {
        self.principals.iter().any(|principal| principal.streams.is_none())
    }

    fn may(&self, resource: Resource, action: Action, tenant: Option<TenantId>) -> bool {
        self.principals.iter().any(|principal| {
            // Which stream it is about is asked where the stream is looked up.
            let stream = principal.streams.as_ref().and_then(|all| all.first().copied());
            may(principal, Wish { resource, action, tenant, stream })
        })
    }

    /// Lets them ask for what has this rule.
    ///
    /// # Errors
    /// [`Code::Unauthenticated`], [`Code::Forbidden`] with what is lacking.
    pub(crate) fn asking(mut self, rule: Rule) -> Result<Self, Problem> {
        let is_somebody = !self.principals.is_empty();
        let (is_allowed, lacking) = match rule {
            Rule::Open => (true, None),
            Rule::Anyone => (is_somebody, None),
            Rule::Home(resource, action) => {
                (self.may_at_home(resource, action), Some((resource, action)))
            }
            Rule::Tenant(resource, action) => {
                (self.may_here(resource, action), Some((resource, action)))
            }
            Rule::Platform(resource, action) => {
                (self.may_on_platform(resource, action), Some((resource, action)))
            }
        };
        if is_allowed {
            self.rule = rule;
            return Ok(self);
        }
        match lacking.filter(|_| is_somebody) {
            Some(lacking) => Err(self.lacks(lacking)),
            None => Err(unknown("say who you are: Authorization: Bearer, with a key or a token")),
        }
    }

    /// Refuses to give, or to take from somebody, more than they may do themselves.
    ///
    /// # Errors
    /// [`Code::Forbidden`] with what is lacking.
    pub(crate) fn covers(&self, allowed: Permissions) -> Result<(), Problem> {
        let lacking = allowed.pairs().find(|(on, what)| !self.may_at_home(*on, *what));
        lacking.map_or(Ok(()), |lacking| Err(self.lacks(lacking)))
    }

    /// Tells what somebody lacks.
    pub(crate) fn lacks(&self, (resource, action): (Resource, Action)) -> Problem {
        let needs = format!("{resource}:{action}");
        if !self.standing.leaves().has(resource, action) {
            return self.is_not_served().with("needs", needs);
        }
        let whose = if self.tenant.is_none() && resource.is_of_stream() {
            " in a tenant that X-Via-Tenant names and a grant opens"
        } else {
            ""
        };
        Problem::new(Code::Forbidden, format!("this needs {needs}{whose}")).with("needs", needs)
    }

    /// Tells somebody what the standing of their tenant leaves.
    fn is_not_served(&self) -> Problem {
        let (code, words) = match self.standing {
            Standing::Closing => {
                (Code::TenantClosing, "the tenant is closing: its audit log and reports are left")
            }
            Standing::Active | Standing::Suspended => {
                (Code::TenantSuspended, "the tenant is suspended: it may look and change nothing")
            }
        };
        Problem::new(code, words)
    }

    /// Checks again what was checked when the request came: secrets and roles
    /// are taken away while feeds go on.
    ///
    /// # Errors
    /// Those of a request that came now.
    pub(crate) fn still(&self, view: &View, now: Timestamp) -> Result<(), Problem> {
        let (Proof::Session(_, secret) | Proof::Key(_, secret)) = self.proof else { return Ok(()) };
        let known = Self::known_by(view, secret, now, self.address);
        let known = known.ok_or_else(|| unknown("the key or the session is not good any more"))?;
        let known = match self.tenant {
            Some(tenant) => known.acting_in(tenant, view, now),
            None => known,
        };
        known.asking(self.rule).map(|_| ())
    }
}

/// Tells somebody that they are not known.
pub(crate) fn unknown(words: &str) -> Problem {
    Problem::new(Code::Unauthenticated, words)
}
