//! The HTTP interface: one file per resource. Translates between requests and
//! the rooms behind the gate; decides nothing that those rooms decide.

pub(crate) mod again;
pub(crate) mod audit;
pub(crate) mod cluster;
pub(crate) mod config_schema;
pub(crate) mod detections;
pub(crate) mod docs;
pub(crate) mod edge;
pub(crate) mod entities;
pub(crate) mod events;
pub(crate) mod feed;
pub(crate) mod feedback;
pub(crate) mod grants;
pub(crate) mod history;
pub(crate) mod keys;
pub(crate) mod media;
pub(crate) mod overrides;
pub(crate) mod page;
pub(crate) mod plans;
pub(crate) mod producers;
pub(crate) mod repeat;
pub(crate) mod review;
pub(crate) mod roles;
pub(crate) mod sessions;
pub(crate) mod site;
pub(crate) mod stats;
pub(crate) mod streams;
pub(crate) mod suppressions;
pub(crate) mod tenants;
pub(crate) mod usage;
pub(crate) mod users;
pub(crate) mod view;
