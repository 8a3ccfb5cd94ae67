//! `via.v1.Tuning`: labels of detections and entities' own configurations, by the
//! same functions as over HTTP. Translates; decides nothing.

use tonic::{Request, Response, Status};
use via_catalog::Stream;
use via_proto::v1;
use via_proto::v1::tuning_server;
use via_shard::{Labelled, Said};
use via_types::{Label, Revision};

use super::{convert, id};
use crate::gate::Gate;
use crate::http::{feedback, overrides};
use crate::problem::{Code, Problem};

/// The gRPC service.
#[derive(Clone)]
pub(crate) struct Desk {
    gate: Gate,
}

impl Desk {
    /// Makes the service.
    pub(crate) fn new(gate: Gate) -> Self {
        Self { gate }
    }

    /// Returns the desk as whoever made the request uses it.
    fn of<T>(&self, request: &Request<T>) -> Self {
        Self { gate: self.gate.of(request.extensions()) }
    }

    async fn say(&self, request: v1::PutFeedbackRequest) -> Result<Labelled, Problem> {
        let v1::PutFeedbackRequest { detection, label, note, author } = request;
        let label: Label = label
            .parse()
            .map_err(|error| Problem::new(Code::BadRequest, format!("label: {error}")))?;
        feedback::label(&self.gate, &detection, Said { label: Some(label), note, author }).await
    }

    fn labelled(&self, done: &Labelled) -> v1::FeedbackResponse {
        let (recorded, taught) = (&done.recorded, &done.taught);
        let gain = |gain: &via_types::feedback::Gain| v1::Gain {
            detector: gain.detector.name().to_owned(),
            before: gain.before,
            after: gain.after,
        };
        v1::FeedbackResponse {
            detection: Some(convert::recorded(&self.gate, recorded)),
            labels: taught.labels,
            gains: taught.gains.iter().map(gain).collect(),
            score_before: taught.before,
            score_after: taught.after,
            told_after: taught.after >= recorded.detection.threshold,
            expected_until: taught.expected_until.map(|until| until.as_nanos()),
        }
    }

    async fn set(&self, request: &v1::PutEntityConfigRequest) -> Result<v1::EntityConfig, Problem> {
        let v1::PutEntityConfigRequest { stream, entity, config, revision } = request;
        let named = (stream.as_str(), revision_of(*revision));
        let changed = overrides::set(&self.gate, named, entity, config.as_bytes()).await?;
        shown(&changed, entity)
    }

    async fn unset(&self, request: &v1::DeleteEntityConfigRequest) -> Result<u64, Problem> {
        let v1::DeleteEntityConfigRequest { stream, entity, revision } = request;
        let named = (stream.as_str(), revision_of(*revision));
        Ok(overrides::unset(&self.gate, named, entity).await?.revision.get())
    }

    async fn list(&self, stream: &str) -> Result<v1::ListEntityConfigsResponse, Problem> {
        let stream = self.gate.newest_stream(stream).await?;
        let revision = stream.revision.get();
        let items = overrides::of_entities(&stream)?;
        let items = items.into_iter().map(|(entity, config)| v1::EntityConfig {
            entity,
            config: config.to_string(),
            revision,
        });
        Ok(v1::ListEntityConfigsResponse { revision, items: items.collect() })
    }
}

/// Reads a revision, which no stream has as 0.
fn revision_of(number: u64) -> Option<Revision> {
    (number != 0).then(|| Revision::new(number))
}

fn shown(stream: &Stream, entity: &str) -> Result<v1::EntityConfig, Problem> {
    let config = overrides::of_entity(stream, entity)?.to_string();
    Ok(v1::EntityConfig { entity: entity.to_owned(), config, revision: stream.revision.get() })
}

#[tonic::async_trait]
impl tuning_server::Tuning for Desk {
    async fn put_feedback(
        &self,
        request: Request<v1::PutFeedbackRequest>,
    ) -> Result<Response<v1::FeedbackResponse>, Status> {
        let id = id(&request);
        let done = self
            .of(&request)
            .say(request.into_inner())
            .await
            .map_err(|problem| problem.status(&id))?;
        Ok(Response::new(self.labelled(&done)))
    }

    async fn delete_feedback(
        &self,
        request: Request<v1::DeleteFeedbackRequest>,
    ) -> Result<Response<v1::FeedbackResponse>, Status> {
        let id = id(&request);
        let gate = self.gate.of(request.extensions());
        let done = feedback::label(&gate, &request.get_ref().detection, Said::default()).await;
        let done = done.map_err(|problem| problem.status(&id))?;
        Ok(Response::new(self.labelled(&done)))
    }

    async fn put_entity_config(
        &self,
        request: Request<v1::PutEntityConfigRequest>,
    ) -> Result<Response<v1::EntityConfig>, Status> {
        let id = id(&request);
        let now = self.of(&request).set(request.get_ref()).await;
        now.map(Response::new).map_err(|problem| problem.status(&id))
    }

    async fn get_entity_config(
        &self,
        request: Request<v1::GetEntityConfigRequest>,
    ) -> Result<Response<v1::EntityConfig>, Status> {
        let id = id(&request);
        let v1::GetEntityConfigRequest { stream, entity } = request.get_ref();
        let gate = self.gate.of(request.extensions());
        let found = gate.newest_stream(stream).await.and_then(|stream| shown(&stream, entity));
        found.map(Response::new).map_err(|problem| problem.status(&id))
    }

    async fn delete_entity_config(
        &self,
        request: Request<v1::DeleteEntityConfigRequest>,
    ) -> Result<Response<v1::DeleteEntityConfigResponse>, Status> {
        let id = id(&request);
        let revision = self
            .of(&request)
            .unset(request.get_ref())
            .await
            .map_err(|problem| problem.status(&id))?;
        Ok(Response::new(v1::DeleteEntityConfigResponse { revision }))
    }

    async fn list_entity_configs(
        &self,
        request: Request<v1::ListEntityConfigsRequest>,
    ) -> Result<Response<v1::ListEntityConfigsResponse>, Status> {
        let id = id(&request);
        let list = self.of(&request).list(&request.get_ref().stream).await;
        list.map(Response::new).map_err(|problem| problem.status(&id))
    }
}
