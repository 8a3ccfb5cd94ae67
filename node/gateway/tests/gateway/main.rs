//! The gateway over real sockets, in front of a whole data plane on the twins
//! in memory: what clients send, what they are told, and what is then true.

mod access;
mod bad_input;
mod cluster;
mod documents;
mod exactly_once;
mod feedback;
mod grants;
mod grpc;
mod history;
mod live;
mod logs;
mod matrix;
mod overrides;
mod pressure;
mod proofs;
mod quota;
mod repeat;
mod rig;
mod roles;
mod schema;
mod site;
mod slow;
mod suppressions;
mod tenants;
mod tuning;
mod users;
