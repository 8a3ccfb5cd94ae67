//! What outsiders may say over gRPC: the types and services generated from
//! `via/v1/*.proto`, and nothing else. The gateway implements them, clients
//! call them; fields are only ever added.

/// Version 1 of the protocol, package `via.v1`.
#[expect(
    clippy::large_enum_variant,
    clippy::too_many_lines,
    reason = "generated: sizes and lengths are the generator's choice"
)]
pub mod v1 {
    tonic::include_proto!("via.v1");
}
