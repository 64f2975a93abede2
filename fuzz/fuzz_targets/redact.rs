#![no_main]

use libfuzzer_sys::fuzz_target;
use tollgate_testkit::fuzz;

fuzz_target!(|data: &[u8]| fuzz::redacted(data));
