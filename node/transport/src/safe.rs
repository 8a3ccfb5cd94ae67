//! The folder that holds who a node is: its key and certificate, its cluster's
//! authority when it is one of those that sign, and where its peers were last.
//! Every file is replaced whole and readable by its owner only.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Write as _};
use std::net::SocketAddr;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;
use via_types::NodeId;

use crate::identity::AuthorityAtRest;
use crate::{Authority, Error, Identity, NodeKey};

/// The folder's name inside the data directory.
const FOLDER: &str = "cluster";
const IDENTITY: &str = "identity.json";
const AUTHORITY: &str = "authority.json";
const PEERS: &str = "peers.json";
const ADDRESS: &str = "address.json";
const JOINING: &str = "joining.key";
const STARTED: &str = "started";

/// Where a node keeps its papers.
#[derive(Clone, Debug)]
pub struct Safe(PathBuf);

impl Safe {
    /// Names the safe of a data directory; nothing is read or made.
    pub fn of(data_directory: &Path) -> Self {
        Self(data_directory.join(FOLDER))
    }

    /// Returns where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Returns who this node is; none when it belongs to no cluster.
    ///
    /// # Errors
    /// [`Error::Identity`] when what is there cannot be read.
    pub fn identity(&self) -> Result<Option<Identity>, Error> {
        self.get(IDENTITY)
    }

    /// Keeps who this node is; a key that was made to join with is used up.
    ///
    /// # Errors
    /// [`Error::Identity`] when it cannot be written.
    pub fn put_identity(&self, identity: &Identity) -> Result<(), Error> {
        self.put(IDENTITY, identity)?;
        self.remove(JOINING)
    }

    /// Returns the cluster's authority when this node has it.
    ///
    /// # Errors
    /// [`Error::Identity`] when what is there cannot be read.
    pub fn authority(&self) -> Result<Option<Authority>, Error> {
        let rest: Option<AuthorityAtRest> = self.get(AUTHORITY)?;
        rest.map(TryInto::try_into).transpose()
    }

    /// Keeps the cluster's authority: whoever reads it can be any node.
    ///
    /// # Errors
    /// [`Error::Identity`] when it cannot be written.
    pub fn put_authority(&self, authority: &Authority) -> Result<(), Error> {
        self.put(AUTHORITY, &AuthorityAtRest::from(authority))
    }

    /// Forgets the cluster's authority, of which others have it.
    ///
    /// # Errors
    /// [`Error::Identity`] when it cannot be removed.
    pub fn forget_authority(&self) -> Result<(), Error> {
        self.remove(AUTHORITY)
    }

    /// Returns the key to join with: the one of an earlier attempt, so that its
    /// answer can be fetched again, or a new one.
    ///
    /// # Errors
    /// [`Error::Identity`].
    pub fn joining_key(&self) -> Result<NodeKey, Error> {
        if let Some(text) = self.get::<String>(JOINING)? {
            return NodeKey::from_pem(&text);
        }
        let key = NodeKey::generate()?;
        self.put(JOINING, &key.pem())?;
        Ok(key)
    }

    /// Returns where peers were last, `host:port` each.
    ///
    /// # Errors
    /// [`Error::Identity`] when what is there cannot be read.
    pub fn peers(&self) -> Result<BTreeMap<NodeId, String>, Error> {
        Ok(self.get(PEERS)?.unwrap_or_default())
    }

    /// Keeps where peers are.
    ///
    /// # Errors
    /// [`Error::Identity`] when it cannot be written.
    pub fn put_peers(&self, peers: &BTreeMap<NodeId, String>) -> Result<(), Error> {
        self.put(PEERS, peers)
    }

    /// Returns where this node listened for peers when it last started.
    ///
    /// # Errors
    /// [`Error::Identity`] when what is there cannot be read.
    pub fn address(&self) -> Result<Option<SocketAddr>, Error> {
        self.get(ADDRESS)
    }

    /// Keeps where this node listens for peers.
    ///
    /// # Errors
    /// [`Error::Identity`] when it cannot be written.
    pub fn put_address(&self, address: SocketAddr) -> Result<(), Error> {
        self.put(ADDRESS, &address)
    }

    /// Says whether this node has taken part in its cluster.
    pub fn is_started(&self) -> bool {
        self.0.join(STARTED).exists()
    }

    /// Notes that this node takes part in its cluster from now on.
    ///
    /// # Errors
    /// [`Error::Identity`] when it cannot be written.
    pub fn mark_started(&self) -> Result<(), Error> {
        if self.is_started() { Ok(()) } else { self.put(STARTED, &true) }
    }

    fn get<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, Error> {
        let path = self.0.join(name);
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(wrong(&path, &error)),
        };
        serde_json::from_slice(&bytes).map(Some).map_err(|error| wrong(&path, &error))
    }

    fn put(&self, name: &str, value: &impl Serialize) -> Result<(), Error> {
        let path = self.0.join(name);
        let written = (|| {
            fs::DirBuilder::new().recursive(true).mode(0o700).create(&self.0)?;
            let fresh = self.0.join(format!("{name}.new"));
            let mut options = OpenOptions::new();
            let mut file =
                options.write(true).create(true).truncate(true).mode(0o600).open(&fresh)?;
            file.write_all(&serde_json::to_vec_pretty(value)?)?;
            file.sync_all()?;
            fs::rename(&fresh, &path)?;
            File::open(&self.0)?.sync_all()
        })();
        written.map_err(|error: std::io::Error| wrong(&path, &error))
    }

    fn remove(&self, name: &str) -> Result<(), Error> {
        let path = self.0.join(name);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(wrong(&path, &error)),
            Ok(()) | Err(_) => Ok(()),
        }
    }
}

fn wrong(path: &Path, error: &dyn std::fmt::Display) -> Error {
    Error::Identity(format!("{}: {error}", path.display()))
}
