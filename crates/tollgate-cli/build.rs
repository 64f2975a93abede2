//! Packs the relative relocations (DT_RELR) where this machine's C library can read them: the loader then has 1.2 MB less to read, which
//! would stay resident.

use std::process::Command;

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    if native_gnu() && glibc().is_some_and(|version| version >= (2, 36)) {
        println!("cargo:rustc-link-arg-bins=-Wl,-z,pack-relative-relocs");
    }
}

/// Built for this very kind of machine: what is here is there.
#[expect(clippy::disallowed_methods, reason = "cargo tells a build script of its target so")]
fn native_gnu() -> bool {
    let is = |name: &str, value: &str| std::env::var(name).is_ok_and(|is| is == value);
    is("CARGO_CFG_TARGET_OS", "linux")
        && is("CARGO_CFG_TARGET_ENV", "gnu")
        && std::env::var("HOST").is_ok_and(|host| is("TARGET", &host))
}

/// `glibc 2.36` of getconf(1).
fn glibc() -> Option<(u32, u32)> {
    let output = Command::new("getconf").arg("GNU_LIBC_VERSION").output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let (major, minor) = text.trim().strip_prefix("glibc ")?.split_once('.')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}
