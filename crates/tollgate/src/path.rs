//! The one file that knows all stages.
