//! Compiles the protocol files without protoc.

use std::error::Error;

use prost_types::field_descriptor_proto::Type;

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=via");
    let mut descriptors = protox::compile(["via/v1/ingest.proto", "via/v1/tuning.proto"], ["."])?;
    for file in &mut descriptors.file {
        for message in file.message_type.iter_mut().filter(|it| it.name() == "WriteRequest") {
            // Texts look the same on the wire, and thousands of short ones need
            // not be copied one by one to be read: the gateway checks them.
            for field in message.field.iter_mut().filter(|it| it.name() == "keys") {
                field.set_type(Type::Bytes);
            }
        }
    }
    tonic_prost_build::configure().bytes(".").compile_fds(descriptors)?;
    Ok(())
}
