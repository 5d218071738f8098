//! Counters with a name, a unit and a help text, declared once.
//!
//! Owns the [`counters!`](crate::counters) macro: it makes a plain struct of `u64`s for one owner
//! thread, and the catalogue that `telemetry` and `show errors` print. Readers on other threads get
//! copies by message or through atomics of the owner; a counter itself is never shared.

/// What a counter is, for people and exporters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CounterInfo {
    /// Name in `snake_case`, unique within its block.
    pub name: &'static str,
    /// Unit of one count.
    pub unit: &'static str,
    /// One sentence.
    pub help: &'static str,
    /// Whether it grows when all is well: `show errors` leaves it out.
    pub is_normal: bool,
}

/// Declares a struct of counters: one line a counter, `name: "unit", "help";`, with `@normal` in
/// front where it is no sign of trouble.
///
/// The struct has public `u64` fields, `INFO` (the catalogue, in order) and `values()` (the same
/// order).
#[macro_export]
macro_rules! counters {
    ($(#[$doc:meta])* pub struct $name:ident {
        $($(@$normal:ident)? $field:ident: $unit:literal, $help:literal;)*
    }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
        pub struct $name {
            $(#[doc = $help] pub $field: u64,)*
        }

        impl $name {
            /// What the counters are, in the order of [`Self::values`].
            pub const INFO: &'static [$crate::base::counters::CounterInfo] = &[
                $($crate::base::counters::CounterInfo {
                    name: stringify!($field),
                    unit: $unit,
                    help: $help,
                    is_normal: !stringify!($($normal)?).is_empty(),
                },)*
            ];

            /// The counts, in the order of [`Self::INFO`].
            pub fn values(&self) -> Vec<u64> {
                vec![$(self.$field,)*]
            }

            /// Name and count of each counter.
            pub fn entries(&self) -> Vec<(&'static str, u64)> {
                vec![$((stringify!($field), self.$field),)*]
            }

            /// Adds another owner's counts.
            pub fn add(&mut self, other: &Self) {
                $(self.$field = self.$field.wrapping_add(other.$field);)*
            }
        }
    };
}

#[cfg(test)]
mod tests {
    crate::counters! {
        /// An example.
        pub struct Example {
            @normal eggs: "eggs", "Eggs laid.";
            hens: "hens", "Hens seen.";
        }
    }

    #[test]
    fn catalogue_and_values_stand_in_one_order() {
        let mut sum = Example { eggs: 2, hens: 1 };
        sum.add(&Example { eggs: 3, hens: 0 });
        assert_eq!(sum.entries(), [("eggs", 5), ("hens", 1)]);
        assert_eq!(
            Example::INFO.iter().map(|info| info.is_normal).collect::<Vec<_>>(),
            [true, false]
        );
        assert_eq!(Example::INFO.len(), sum.values().len());
    }
}
