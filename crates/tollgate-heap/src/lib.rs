//! Memory that was freed, given back to the system. *Never* touches what is in use.

/// Asks the C library to give the pages of freed memory back (`malloc_trim(3)`). It walks every arena with its lock held: a thread that
/// allocates meanwhile waits for some milliseconds when there is much to give. Elsewhere than with glibc it does nothing.
pub fn give_back() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    #[expect(unsafe_code, reason = "a foreign function; it takes a size and has no conditions")]
    // SAFETY: malloc_trim may be called at any time, from any thread (MT-Safe in malloc_trim(3)), and only frees pages that no
    // allocation uses.
    unsafe {
        libc::malloc_trim(0);
    }
}
