//! x
/// Generated
pub mod v1 {
    #![allow(missing_docs, unreachable_pub, clippy::all)]
    tonic::include_proto!("hikyaku.v1");
}
#[cfg(test)]
mod reasons_proto;
