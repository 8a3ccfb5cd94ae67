//! What people say of detections: a label, kept with the detection, that its
//! stream learns from, and what it changed. Decides nothing of what is learned.

use axum::Json;
use axum::extract::Path;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use via_shard::{Labelled, Said};
use via_types::feedback::{Feedback, Taught};
use via_types::{DetectionId, Label, limit};

use crate::gate::Gate;
use crate::http::detections::unknown;
use crate::http::media::Document;
use crate::http::view::{DetectionView, rfc3339};
use crate::problem::{Code, Problem};

/// What somebody says of a detection.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum LabelWord {
    /// Something was wrong, and it was right to tell.
    Confirmed,
    /// Nothing was wrong.
    FalseAlarm,
    /// It was known before: planned work, a test, a sale. Deviations like it of
    /// the same entity are expected for a week after it.
    Expected,
}

impl From<Label> for LabelWord {
    fn from(label: Label) -> Self {
        match label {
            Label::Confirmed => Self::Confirmed,
            Label::FalseAlarm => Self::FalseAlarm,
            Label::Expected => Self::Expected,
        }
    }
}

impl From<LabelWord> for Label {
    fn from(word: LabelWord) -> Self {
        match word {
            LabelWord::Confirmed => Self::Confirmed,
            LabelWord::FalseAlarm => Self::FalseAlarm,
            LabelWord::Expected => Self::Expected,
        }
    }
}

/// A label for a detection; the last one counts.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewFeedback {
    /// What is said.
    label: LabelWord,
    /// In the author's words, at most 2,048 bytes.
    #[serde(default)]
    note: String,
    /// Who says it, at most 128 bytes; where it is known who asks, that counts.
    #[serde(default)]
    author: String,
}

/// What was said of a detection.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct FeedbackView {
    /// What was said.
    label: LabelWord,
    /// In the author's words.
    note: String,
    /// Who said it; empty when nobody is named.
    author: String,
    /// When, RFC 3339.
    at: String,
}

impl FeedbackView {
    /// Shows what is said; nothing when it was taken back.
    pub(crate) fn of(feedback: &Feedback) -> Option<Self> {
        Some(Self {
            label: feedback.label?.into(),
            note: feedback.note.clone(),
            author: feedback.author.clone(),
            at: rfc3339(feedback.at),
        })
    }
}

/// How much of a detector's evidence counts before and after a label.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct GainView {
    /// Which.
    detector: &'static str,
    /// What its evidence beyond the ordinary was multiplied by where it spoke
    /// alone, 0.5..1.5; 1 is untouched.
    before: f64,
    /// What it is multiplied by now.
    after: f64,
}

/// What a label changed.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct TaughtView {
    /// Labels that count for the stream now, the newest 64 at most.
    labels: u32,
    /// Every detector.
    gains: Vec<GainView>,
    /// What the same detection would have scored before the label, 0..1.
    score_before: f64,
    /// What it would score now.
    score_after: f64,
    /// Whether it would be told now: whether that is at or above the threshold.
    told_after: bool,
    /// Until when, in event time, deviations like it of its entity are expected.
    #[serde(skip_serializing_if = "Option::is_none")]
    expected_until: Option<String>,
}

impl TaughtView {
    fn of(taught: &Taught, threshold: f64) -> Self {
        let gains = taught.gains.iter().map(|gain| GainView {
            detector: gain.detector.name(),
            before: gain.before,
            after: gain.after,
        });
        Self {
            labels: taught.labels,
            gains: gains.collect(),
            score_before: taught.before,
            score_after: taught.after,
            told_after: taught.after >= threshold,
            expected_until: taught.expected_until.map(rfc3339),
        }
    }
}

/// A detection that was labelled, and what that changed.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct LabelledView {
    /// The detection with what is said of it now.
    detection: DetectionView,
    /// What the label changed.
    taught: TaughtView,
}

/// Says something of a detection: it is kept with it and learned from. Said
/// again it changes nothing; something else said replaces it.
#[utoipa::path(put, path = "/api/v1/detections/{id}/feedback", operation_id = "put_feedback", tag = "query",
    params(("id" = String, Path, description = "Like d17-1042-3")), request_body = NewFeedback,
    responses((status = 200, description = "The detection, and what the label changed", body = LabelledView)))]
pub(crate) async fn say(
    gate: Gate,
    Path(id): Path<String>,
    body: Document,
) -> Result<Json<LabelledView>, Problem> {
    let NewFeedback { label: word, note, author } = body.object(Code::BadRequest)?;
    shown(&gate, label(&gate, &id, Said { label: Some(word.into()), note, author }).await?)
}

/// Takes back what was said of a detection; its stream forgets what it taught.
#[utoipa::path(delete, path = "/api/v1/detections/{id}/feedback", operation_id = "delete_feedback", tag = "query",
    params(("id" = String, Path, description = "Like d17-1042-3")),
    responses((status = 200, description = "The detection, and what that changed", body = LabelledView)))]
pub(crate) async fn take_back(
    gate: Gate,
    Path(id): Path<String>,
) -> Result<Json<LabelledView>, Problem> {
    shown(&gate, label(&gate, &id, Said::default()).await?)
}

/// Lets somebody say something of a detection, or take it back.
pub(crate) async fn label(gate: &Gate, id: &str, said: Said) -> Result<Labelled, Problem> {
    for (name, text, most) in
        [("note", &said.note, limit::NOTE_BYTES), ("author", &said.author, limit::NAME_BYTES)]
    {
        if text.len() > most {
            let words = format!("{name} has {} bytes; at most {most} are kept", text.len());
            return Err(Problem::new(Code::BadRequest, words));
        }
    }
    // Nobody speaks in another's name.
    let said = match gate.name() {
        Some(author) => Said { author, ..said },
        None => said,
    };
    let id: DetectionId =
        id.parse().map_err(|error| Problem::new(Code::BadParameter, format!("id: {error}")))?;
    if !gate.caller().sees_all() {
        let found = gate.shard().detection(gate.tenant(), id).await?;
        found.filter(|it| gate.caller().sees(it.detection.stream)).ok_or_else(|| unknown(id))?;
    }
    let done = gate.shard().label(gate.tenant(), id, said).await?;
    done.ok_or_else(|| unknown(id))
}

fn shown(gate: &Gate, labelled: Labelled) -> Result<Json<LabelledView>, Problem> {
    let Labelled { recorded, taught } = labelled;
    let threshold = recorded.detection.threshold;
    Ok(Json(LabelledView {
        detection: DetectionView::recorded(gate, &gate.view(), &recorded),
        taught: TaughtView::of(&taught, threshold),
    }))
}
