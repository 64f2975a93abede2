//! Ids of entries and chains: UUIDv7 from the handed clock and one random seed a process.

use std::sync::atomic::{AtomicU64, Ordering};

use uuid::Uuid;

/// Makes UUIDv7s. A counter, mixed by a bijection, stands in the random bits: unique within a process without a system call an id.
#[derive(Debug)]
pub(super) struct Ids {
    next: AtomicU64,
    extra: u64,
}

impl Ids {
    /// With a seed from the system.
    pub(super) fn new() -> Result<Self, getrandom::Error> {
        Ok(Self { next: AtomicU64::new(getrandom::u64()?), extra: getrandom::u64()? })
    }

    /// A new id for this moment.
    pub(super) fn id(&self, now_ms: u64) -> Uuid {
        let mixed = splitmix(self.next.fetch_add(1, Ordering::Relaxed));
        // 74 bits survive the version and the variant: 64 of the mixed counter, so that none is lost, and 10 of the seed.
        let [high, low, rest @ ..] = mixed.to_be_bytes();
        let [first, second, ..] = self.extra.to_be_bytes();
        let mut random = [0; 10];
        for (slot, byte) in random.iter_mut().zip([high >> 4, (high << 4) | (low >> 4), first]) {
            *slot = byte;
        }
        for (slot, byte) in
            random.iter_mut().skip(3).zip([(second << 4) | (low & 15)].into_iter().chain(rest))
        {
            *slot = byte;
        }
        uuid::Builder::from_unix_timestamp_millis(now_ms, &random).into_uuid()
    }
}

fn splitmix(seed: u64) -> u64 {
    let z = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    #[test]
    fn ids_differ_and_are_version_7() {
        let ids = super::Ids::new().unwrap();
        let made: std::collections::HashSet<_> = (0..10_000).map(|_| ids.id(1_785_240_896_789)).collect();
        assert_eq!(made.len(), 10_000);
        assert!(
            made.iter().all(|id| id.get_version_num() == 7 && id.to_string().starts_with("019fa8a6-4515"))
        );
    }
}
