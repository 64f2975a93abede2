//! What detectors find and redaction leaves, through the crate's public face only.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "a test that can't go on has failed"
)]

mod corpus;
mod documents;
mod figures;
