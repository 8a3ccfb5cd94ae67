//! The stream that a request writes to. One that is not there yet is made when
//! the first event is good: a request that brings none leaves no trace.

use std::sync::Arc;

use via_catalog::{Stream, Thing, name};
use via_types::config::Mapping;
use via_types::{Origin, StreamId};

use crate::gate::Gate;
use crate::problem::Problem;

/// Where events go.
#[derive(Clone, Debug)]
pub(crate) enum Target {
    /// To this stream.
    There(Arc<Stream>),
    /// To one that is still to be made.
    New {
        /// Its name.
        name: String,
        /// How it will read events.
        mapping: Mapping,
    },
}

impl Target {
    /// Finds the stream, or what it would be where making it is allowed.
    pub(crate) fn find(gate: &Gate, name: &str) -> Result<Self, Problem> {
        let missing = match gate.stream(name) {
            Ok(stream) => return Ok(Self::There(stream)),
            Err(missing) => missing,
        };
        if !gate.options().create_streams {
            return Err(missing);
        }
        let refused = |refusal| Problem::from(via_control::Error::Refused(refusal));
        name::check(Thing::Stream, name).map_err(refused)?;
        let mapping = gate.view().in_force("{}").map_err(refused)?.mapping;
        Ok(Self::New { name: name.to_owned(), mapping })
    }

    /// Makes the stream if it is not there; says whether it was made, or found,
    /// only now.
    pub(crate) async fn settle(
        &mut self,
        gate: &Gate,
        origin: Option<Origin>,
    ) -> Result<Option<StreamId>, Problem> {
        gate.is_own(origin)?;
        let Self::New { name, .. } = self else { return Ok(None) };
        gate.opened(origin)?;
        let stream = gate.create_stream(name).await?;
        let id = stream.id;
        *self = Self::There(stream);
        Ok(Some(id))
    }

    /// Returns the stream's id; that of none while it is not there.
    pub(crate) fn id(&self) -> StreamId {
        match self {
            Self::There(stream) => stream.id,
            Self::New { .. } => StreamId::new(0),
        }
    }

    /// Returns how it reads events.
    pub(crate) fn mapping(&self) -> &Mapping {
        match self {
            Self::There(stream) => &stream.config.mapping,
            Self::New { mapping, .. } => mapping,
        }
    }
}
