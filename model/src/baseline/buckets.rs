//! Logarithmic buckets: eight per doubling, found with integer arithmetic alone.

/// Number of a logarithmic bucket. Values below 8 have one each; above, a bucket spans an eighth of a
/// doubling (9 %).
pub type Bucket = u16;

const STEPS_LOG2: u32 = 3;
const STEPS: u64 = 1 << STEPS_LOG2;

/// The bucket of a value.
pub fn bucket_of(value: u64) -> Bucket {
    if value < STEPS {
        return Bucket::try_from(value).unwrap_or(Bucket::MAX);
    }
    let exponent = value.ilog2();
    let step = (value >> (exponent - STEPS_LOG2)) - STEPS;
    let bucket = (u64::from(exponent - STEPS_LOG2 + 1) << STEPS_LOG2) + step;
    // At most 62 × 8: it always fits.
    Bucket::try_from(bucket).unwrap_or(Bucket::MAX)
}

/// The smallest value of a bucket.
pub fn bucket_value(bucket: Bucket) -> u64 {
    let bucket = u64::from(bucket);
    if bucket < STEPS {
        return bucket;
    }
    let shift = u32::try_from((bucket >> STEPS_LOG2) - 1).unwrap_or(u32::MAX);
    (STEPS + bucket % STEPS).checked_shl(shift).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_value_lies_in_its_bucket(value in any::<u64>()) {
            let bucket = bucket_of(value);
            prop_assert!(bucket_value(bucket) <= value);
            prop_assert!(bucket == bucket_of(u64::MAX) || bucket_value(bucket + 1) > value);
        }
    }

    #[test]
    fn every_bucket_begins_with_its_own_value() {
        for bucket in 0..=bucket_of(u64::MAX) {
            assert_eq!(bucket_of(bucket_value(bucket)), bucket);
        }
    }
}
